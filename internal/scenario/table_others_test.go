package scenario

// Scenarios in which another package is what makes dpkg act on these.
var withOthers = []scenario{
	{
		name:  "deconfigure",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: deconfigure("+breaker-1.0"),
				code: 1, // modules, which dpkg tries to configure again, is broken
				calls: []told{
					{call: "modules 1.0 prerm deconfigure in-favour breaker 1.0", set: "1.0"},
					{call: "breaker 1.0 preinst install", set: "1.0"},
					{call: "breaker 1.0 postinst configure ''", set: "1.0"},
				},
				state: all("installed 1.0").but("modules", "half-configured 1.0", "breaker", "installed 1.0"),
			},
			{
				dpkg: install("3.0"),
				calls: []told{
					{call: "modules 1.0 prerm upgrade 3.0", set: "1.0"},
					{call: "modules 3.0 preinst upgrade 1.0 3.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 3.0", set: "1.0"},
					{call: "modules 3.0 postinst configure 1.0", set: "3.0"},
				},
				state: all("installed 3.0").but("breaker", "installed 1.0"),
			},
		},
		goal:   "3.0",
		others: []string{"breaker"},
	},
	{
		name:  "deconfigure unwinds",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   deconfigure("+breaker-1.0"),
			faults: map[string]kind{"breaker 1.0 preinst install": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm deconfigure in-favour breaker 1.0", set: "1.0"},
				{call: "breaker 1.0 preinst install", set: "1.0"},
				{call: "breaker 1.0 postrm abort-install", set: "1.0"},
				{call: "modules 1.0 postinst abort-deconfigure in-favour breaker 1.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "deconfigure unwinds, and what was lost comes back",
		start: start(install("1.0")),
		steps: []step{{
			lost:   "kernel/acme/acme.ko",
			dpkg:   deconfigure("+breaker-1.0"),
			faults: map[string]kind{"breaker 1.0 preinst install": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm deconfigure in-favour breaker 1.0", set: "part of 1.0"},
				{call: "breaker 1.0 preinst install", set: "part of 1.0"},
				{call: "breaker 1.0 postrm abort-install", set: "part of 1.0"},
				{call: "modules 1.0 postinst abort-deconfigure in-favour breaker 1.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "deconfigure as another is removed",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: deconfigure("+usurper-1.0"),
				code: 1, // modules lacks signatures
				calls: []told{
					{call: "modules 1.0 prerm deconfigure in-favour usurper 1.0 removing signatures 1.0", set: "1.0"},
					{call: "usurper 1.0 preinst install", set: "1.0"},
					{call: "usurper 1.0 postinst configure ''", set: "1.0"},
				},
				state: all("half-configured 1.0").but("objects", "installed 1.0", "signatures", "", "usurper", "installed 1.0"),
			},
			{
				dpkg: named("--remove", "modules"),
				calls: []told{
					{call: "modules 1.0 prerm remove", set: "parked 1.0"},
					{call: "modules 1.0 postrm remove", set: "none"},
				},
				state: state{"objects": "installed 1.0", "modules": "config-files 1.0", "usurper": "installed 1.0"},
			},
		},
		goal:   "removed",
		others: []string{"usurper"},
	},
	{
		name:  "deconfigure as another is removed unwinds",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   deconfigure("+usurper-1.0"),
			faults: map[string]kind{"usurper 1.0 preinst install": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm deconfigure in-favour usurper 1.0 removing signatures 1.0", set: "1.0"},
				{call: "usurper 1.0 preinst install", set: "1.0"},
				{call: "usurper 1.0 postrm abort-install", set: "1.0"},
				{call: "modules 1.0 postinst abort-deconfigure in-favour usurper 1.0 removing signatures 1.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "another takes the place of signatures",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: installOne("+heir-1.0"),
			calls: []told{
				{call: "heir 1.0 preinst install", set: "1.0"},
				{call: "heir 1.0 postinst configure ''", set: "1.0"},
				{call: "modules 1.0 postinst triggered", set: "1.0"},
			},
			state: all("installed 1.0").but("signatures", "", "heir", "installed 1.0"),
		}},
		goal:   "1.0",
		others: []string{"heir"},
	},
	{
		name:  "conflict",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: installOne("+rival-1.0"),
			calls: []told{
				{call: "modules 1.0 prerm remove in-favour rival 1.0", set: "parked 1.0"},
				{call: "rival 1.0 preinst install", set: "parked 1.0"},
				{call: "modules 1.0 postrm remove", set: "none"},
				{call: "rival 1.0 postinst configure ''", set: "none"},
			},
			state: all("installed 1.0").but("modules", "config-files 1.0", "rival", "installed 1.0"),
		}},
		goal:   "removed",
		others: []string{"rival"},
	},
	{
		name:  "conflict unwinds",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   installOne("+rival-1.0"),
			faults: map[string]kind{"rival 1.0 preinst install": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm remove in-favour rival 1.0", set: "parked 1.0"},
				{call: "rival 1.0 preinst install", set: "parked 1.0"},
				{call: "rival 1.0 postrm abort-install", set: "parked 1.0"},
				{call: "modules 1.0 postinst abort-remove in-favour rival 1.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "disappear",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: installOne("+overlord-1.0"),
			calls: []told{
				{call: "overlord 1.0 preinst install", set: "1.0"},
				{call: "modules 1.0 postrm disappear overlord 1.0", set: "none"},
				{call: "overlord 1.0 postinst configure ''", set: "none"},
			},
			state: all("installed 1.0").but("modules", "", "overlord", "installed 1.0"),
		}},
		goal:   "purged",
		others: []string{"overlord"},
	},
}
