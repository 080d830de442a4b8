package scenario

// Scenarios in which the inputs change under the package of modules, of which
// their triggers tell it.
var triggers = []scenario{
	{
		name:  "trigger",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:  installOne("+objects-2.0"), // the same bytes
			calls: []told{{call: "modules 1.0 postinst triggered", set: "1.0"}},
			state: all("installed 1.0").but("objects", "installed 2.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "trigger, and what was lost comes back",
		start: start(install("1.0")),
		steps: []step{{
			lost:  "kernel/acme/acme.ko",
			dpkg:  installOne("+objects-2.0"),
			calls: []told{{call: "modules 1.0 postinst triggered", set: "1.0"}},
			state: all("installed 1.0").but("objects", "installed 2.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "trigger fails",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:   installOne("+objects-2.0"),
				faults: map[string]kind{"modules 1.0 postinst triggered": failBefore},
				code:   1,
				calls:  []told{{call: "modules 1.0 postinst triggered", set: "1.0"}},
				state:  all("installed 1.0").but("objects", "installed 2.0", "modules", "half-configured 1.0"),
			},
			{ // not triggered again
				dpkg:  configureAll,
				calls: []told{{call: "modules 1.0 postinst configure 1.0", set: "1.0"}},
				state: all("installed 1.0").but("objects", "installed 2.0"),
			},
		},
		goal: "1.0",
	},
	{
		name:  "triggers are put off",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:  []string{"--no-triggers", "--install", "+objects-2.0"},
				state: all("installed 1.0").but("objects", "installed 2.0", "modules", "triggers-pending 1.0"),
			},
			{
				dpkg:  []string{"--triggers-only", "--pending"},
				calls: []told{{call: "modules 1.0 postinst triggered", set: "1.0"}},
				state: all("installed 1.0").but("objects", "installed 2.0"),
			},
		},
		goal: "1.0",
	},
	{
		name:  "objects that do not fit",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:  installOne("+objects-4.0"),
				code:  1,
				calls: []told{{call: "modules 1.0 postinst triggered", set: "1.0", refused: true}},
				state: all("installed 1.0").but("objects", "installed 4.0", "modules", "half-configured 1.0"),
			},
			{
				dpkg:  installOne("+objects-1.0"),
				state: all("installed 1.0").but("modules", "half-configured 1.0"),
			},
			{
				dpkg:  configureAll,
				calls: []told{{call: "modules 1.0 postinst configure 1.0", set: "1.0"}},
				state: all("installed 1.0"),
			},
		},
		goal: "1.0",
	},
	{
		name:  "the inputs first, the modules later",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:  installOne("+objects-2.0", "+signatures-2.0"),
				code:  1,
				calls: []told{{call: "modules 1.0 postinst triggered", set: "1.0", refused: true}},
				state: all("installed 2.0").but("modules", "half-configured 1.0"),
			},
			{
				dpkg: installOne("+modules-2.0"),
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
				},
				state: all("installed 2.0"),
			},
		},
		goal: "2.0",
	},
	{
		name:  "the modules first, the inputs later",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: installOne("+modules-2.0"),
				code: 1,
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 postinst configure 1.0", set: "1.0", refused: true},
				},
				state: all("installed 1.0").but("modules", "half-configured 2.0"),
			},
			{
				dpkg:  installOne("+objects-2.0", "+signatures-2.0"),
				state: all("installed 2.0").but("modules", "half-configured 2.0"),
			},
			{
				dpkg:  configureAll,
				calls: []told{{call: "modules 2.0 postinst configure 1.0", set: "2.0"}},
				state: all("installed 2.0"),
			},
		},
		goal: "2.0",
	},
}
