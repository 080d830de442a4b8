package unit

import "koweld/internal/dpkg"

// Reaction is what koweld does when dpkg calls a maintainer script.
type Reaction string

// The reactions.
const (
	leave  Reaction = "nothing"
	form   Reaction = "form and place what the manifest declares"
	settle Reaction = "do what is pending, once for each kernel"
	follow Reaction = "follow kernels that came or went; do what is pending"
	revive Reaction = "put back what was, from what is placed or parked"
	park   Reaction = "take back what was placed, and park the bytes"
	drop   Reaction = "drop what is parked, and what is still placed"
)

// A Rule says what koweld does for one kind of call.
type Rule struct {
	Script dpkg.Script `json:"script"`
	Action string      `json:"action"`
	Args   string      `json:"args,omitempty"` // what dpkg gives behind the action, for people
	Do     Reaction    `json:"do"`
	Why    string      `json:"why"`
	Source string      `json:"source"`
}

// Rules is what koweld does for a package that has a manifest, for each call
// that dpkg makes.
var Rules = []Rule{
	{dpkg.Preinst, "install", "[OLD NEW]", leave, "only Essential packages and Pre-Depends can be relied on", "Policy 6.5"},
	{dpkg.Preinst, "upgrade", "OLD NEW", leave, "the modules of the old version serve until the new ones are placed", "Policy 6.5"},
	{dpkg.Preinst, "abort-upgrade", "NEW", leave, "nothing was taken away that would have to come back", "Policy 6.5"},

	{dpkg.Postinst, "configure", "[OLD]", form, "all files are there; on failure the older modules still serve", "Policy 6.5"},
	{dpkg.Postinst, "triggered", `"NAME..."`, form, "an input changed in another package; a failed trigger is retried as configure", "deb-triggers(5)"},
	{dpkg.Postinst, "abort-upgrade", "NEW", revive, "inputs of other packages may be new already", "Policy 6.5"},
	{dpkg.Postinst, "abort-remove", "[in-favour PACKAGE VERSION]", revive, "prerm has parked the modules", "Policy 6.5"},
	{dpkg.Postinst, "abort-deconfigure", "in-favour PACKAGE VERSION [removing PACKAGE VERSION]", revive, "nothing was taken away; what is missing comes back", "Policy 6.5"},

	{dpkg.Prerm, "upgrade", "NEW", leave, "an upgrade that fails must not cost the driver", "Policy 6.5"},
	{dpkg.Prerm, "failed-upgrade", "OLD NEW", leave, "the new version has nothing to take away", "Policy 6.5"},
	{dpkg.Prerm, "remove", "[in-favour PACKAGE VERSION]", park, "koweld can be relied on here and not in postrm; dpkg may still give up", "Policy 6.5"},
	{dpkg.Prerm, "deconfigure", "in-favour PACKAGE VERSION [removing PACKAGE VERSION]", leave, "placed modules stay right while what they depend on is replaced", "Policy 6.5"},

	{dpkg.Postrm, "remove", "", drop, "there is no way back any more", "Policy 6.5"},
	{dpkg.Postrm, "purge", "", drop, "nothing of the package is left", "Policy 6.5"},
	{dpkg.Postrm, "disappear", "OVERWRITER VERSION", drop, "no prerm is called for a package whose files are all taken over", "Policy 6.6"},
	{dpkg.Postrm, "upgrade", "NEW", leave, "the new postinst takes back what the new version lacks", "Policy 6.5"},
	{dpkg.Postrm, "failed-upgrade", "OLD NEW", leave, "the old modules serve", "Policy 6.5"},
	{dpkg.Postrm, "abort-install", "[OLD NEW]", leave, "nothing was placed yet", "Policy 6.5"},
	{dpkg.Postrm, "abort-upgrade", "OLD NEW", leave, "nothing was placed yet", "Policy 6.5"},
}

// OwnRules is what koweld does in the scripts of its own package.
var OwnRules = []Rule{
	{dpkg.Postinst, "configure", "[OLD]", follow, "a package that is configured in this run is not triggered", "deb-triggers(5)"},
	{dpkg.Postinst, "triggered", `"NAME..."`, follow, "all packages of this run are configured", "deb-triggers(5)"},
	{dpkg.Prerm, "remove", "[in-favour PACKAGE VERSION]", settle, "nobody does it later", "Policy 6.5"},
}

// ruleFor finds the rule for a call. What no rule is for is not known: it may
// come from a later dpkg.
func ruleFor(pkg string, call dpkg.Call) (rule Rule, known bool) {
	for _, r := range Rules {
		if r.Script == call.Script && r.Action == call.Action {
			rule, known = r, true
		}
	}
	if pkg != ownPackage || !known {
		return rule, known
	}
	for _, r := range OwnRules {
		if r.Script == call.Script && r.Action == call.Action {
			return r, true
		}
	}
	rule.Do = leave
	return rule, true
}
