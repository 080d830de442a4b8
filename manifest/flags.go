package manifest

import (
	"regexp"
	"slices"
	"strings"
)

// A manifest can run nothing, and neither read nor write a file that it does
// not declare. So the flags of ld that may be given are listed: those that
// change what is linked and name no file. ld(1) takes the beginning of a long
// flag for the flag; a manifest writes it out.

// allowedFlags stand as they are.
var allowedFlags = []string{
	"--build-id", "--no-warn-rwx-segments", "--force-group-allocation",
	"--strip-debug", "-S", "--discard-all", "-x", "--discard-locals", "-X",
	"-d", "-EL", "-EB", "--emit-relocs", "-q", "--no-fatal-warnings",
	"--no-undefined-version", "--fix-cortex-a53-843419", "--be8",
}

// allowedValues are the flags with a value behind "=".
var allowedValues = map[string]*regexp.Regexp{
	"--build-id":        regexp.MustCompile(`^(sha1|md5|none|0x[0-9a-fA-F]+)$`),
	"--orphan-handling": regexp.MustCompile(`^(place|discard|warn|error)$`),
	"--hash-style":      regexp.MustCompile(`^(sysv|gnu|both)$`),
}

// keyword is what may follow -z.
var keyword = regexp.MustCompile(`^[a-z][a-z0-9=-]*$`)

// refusedFlags say why a flag that ld knows is not among the allowed ones.
// A flag is refused for the first line that is its beginning.
var refusedFlags = []struct{ why, flags string }{
	{"names the output, which is koweld's to name", "-o --output"},
	{"makes ld load code", "-plugin --plugin -flto"},
	{"makes ld run a program", "--error-handling-script"},
	{"makes ld write another file", "-Map --Map --dependency-file --out-implib --print-map-locals --ctf-share"},
	{"names a linker script: that is linker.script", "-T --script --default-script -dT -c --mri-script"},
	{"names an emulation: that is linker.emulation", "-m"},
	{"names a file or folder to read", "-L --library -l -R --just-symbols --version-script --dynamic-list " +
		"--retain-symbols-file --section-ordering-file --remap-inputs --sysroot -rpath --rpath -I -A -b --format -F -f -y"},
	{"makes ld write to standard output", "-M --print- --trace -t --stats --verbose --help --version -V -v --cref"},
	{"is what koweld links with in any case", "-r -i --relocatable"},
}

// flagFault says what is wrong with a flag, or gives "". The keyword of a -z
// that stands alone is not its concern.
func flagFault(flag string) (msg, hint string) {
	if k, ok := strings.CutPrefix(flag, "-z"); ok {
		if !keyword.MatchString(k) {
			return "the keyword of " + flag + " has other characters than lower case letters, digits, = and -", ""
		}
		return "", ""
	}
	name, val, hasValue := strings.Cut(flag, "=")
	if !hasValue && slices.Contains(allowedFlags, flag) {
		return "", ""
	}
	if allowed, ok := allowedValues[name]; ok && hasValue {
		switch {
		case allowed.MatchString(val):
			return "", ""
		case name == "--build-id" && val == "uuid":
			return "--build-id=uuid is another one in each link, so that no signature would match", didYouMean("--build-id=sha1")
		}
		return "the flag " + name + " does not take the value " + val, ""
	}
	switch {
	case strings.HasPrefix(flag, "@"):
		return flag + " is a response file, which may hold any flag", "write the flags out"
	case !strings.HasPrefix(flag, "-"):
		return flag + " is not a flag", "objects are declared in form, a linker script in linker.script"
	}
	if w := nearest(name, allowedFlags); w != "" && strings.HasPrefix(flag, "--") {
		return "the flag " + flag + " is not one of those that a manifest may give", didYouMean(w)
	}
	for _, r := range refusedFlags {
		for f := range strings.FieldsSeq(r.flags) {
			if strings.HasPrefix(flag, f) {
				return "the flag " + flag + " " + r.why, ""
			}
		}
	}
	return "the flag " + flag + " is not one of those that a manifest may give", "koweld-manifest(5) lists them"
}

// flags checks a list of flags. "-z" and its keyword may be two items.
func (d *decoder) flags(v *value) []string {
	var flags []string
	var z *value // the -z that waits for its keyword
	for _, e := range d.elements(v) {
		s, ok := d.word(e)
		switch {
		case !ok:
		case z != nil && !keyword.MatchString(s):
			d.errorf(e, "", "%s is not a keyword of -z", s)
		case z != nil:
			flags = append(flags, s)
		case s == "-z":
			z, flags = e, append(flags, s)
			continue
		default:
			if msg, hint := flagFault(s); msg != "" {
				d.errorf(e, hint, "%s", msg)
			}
			flags = append(flags, s)
		}
		z = nil
	}
	if z != nil {
		d.errorf(z, "", "-z without a keyword")
	}
	return flags
}
