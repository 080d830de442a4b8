package scenario

var installs = []scenario{
	{
		name: "install",
		steps: []step{{
			dpkg: install("1.0"),
			calls: []told{
				{call: "modules 1.0 preinst install", set: "none"},
				{call: "modules 1.0 postinst configure ''", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name: "install in two runs",
		steps: []step{
			{
				dpkg:  unpack("1.0"),
				calls: []told{{call: "modules 1.0 preinst install", set: "none"}},
				state: all("unpacked 1.0"),
			},
			{
				dpkg:  configureAll,
				calls: []told{{call: "modules 1.0 postinst configure ''", set: "1.0"}},
				state: all("installed 1.0"),
			},
		},
		goal: "1.0",
	},
	{
		name: "preinst fails",
		steps: []step{{
			dpkg:   install("1.0"),
			faults: map[string]kind{"modules 1.0 preinst install": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 preinst install", set: "none"},
				{call: "modules 1.0 postrm abort-install", set: "none"},
			},
			state: all("installed 1.0").but("modules", ""),
		}},
		goal: "1.0",
	},
	{
		name: "preinst fails, abort-install too",
		steps: []step{{
			dpkg: install("1.0"),
			faults: map[string]kind{
				"modules 1.0 preinst install":      failAfter,
				"modules 1.0 postrm abort-install": failBefore,
			},
			code: 1,
			calls: []told{
				{call: "modules 1.0 preinst install", set: "none"},
				{call: "modules 1.0 postrm abort-install", set: "none"},
			},
			state: all("installed 1.0").but("modules", "half-installed reinstreq 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "unpack fails",
		start: start(installOne("+owner-1.0")),
		steps: []step{{
			dpkg: installOne("+objects-1.0", "+signatures-1.0", "+modules-1.0-clash"),
			code: 1,
			calls: []told{
				{call: "modules 1.0 preinst install", set: "none"},
				{call: "modules 1.0 postrm abort-install", set: "none"},
			},
			state: all("installed 1.0").but("modules", "", "owner", "installed 1.0"),
		}},
		goal:   "1.0",
		others: []string{"owner"},
	},
	{
		name:  "install from config-files",
		start: start(install("1.0"), named("--remove", "modules")),
		steps: []step{{
			dpkg: install("2.0"),
			calls: []told{
				{call: "modules 2.0 preinst install 1.0 2.0", set: "none"},
				{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "preinst fails from config-files",
		start: start(install("1.0"), named("--remove", "modules")),
		steps: []step{{
			dpkg:   install("2.0"),
			faults: map[string]kind{"modules 2.0 preinst install 1.0 2.0": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 2.0 preinst install 1.0 2.0", set: "none"},
				{call: "modules 2.0 postrm abort-install 1.0 2.0", set: "none"},
			},
			state: all("installed 2.0").but("modules", "config-files 1.0"),
		}},
		goal: "2.0",
	},
	{
		name: "postinst fails",
		steps: []step{
			{
				dpkg:   install("1.0"),
				faults: map[string]kind{"modules 1.0 postinst configure ''": failBefore},
				code:   1,
				calls: []told{
					{call: "modules 1.0 preinst install", set: "none"},
					{call: "modules 1.0 postinst configure ''", set: "none"},
				},
				state: all("installed 1.0").but("modules", "half-configured 1.0"),
			},
			{
				dpkg:  configureAll,
				calls: []told{{call: "modules 1.0 postinst configure ''", set: "1.0"}},
				state: all("installed 1.0"),
			},
		},
		goal: "1.0",
	},
	{
		name: "a set that does not fit",
		steps: []step{
			{
				dpkg: installOne("+objects-4.0", "+signatures-1.0", "+modules-1.0"),
				code: 1,
				calls: []told{
					{call: "modules 1.0 preinst install", set: "none"},
					{call: "modules 1.0 postinst configure ''", set: "none", refused: true},
				},
				state: all("installed 1.0").but("objects", "installed 4.0", "modules", "half-configured 1.0"),
			},
			{
				dpkg:  installOne("+objects-1.0"),
				state: all("installed 1.0").but("modules", "half-configured 1.0"),
			},
			{
				dpkg:  configureAll,
				calls: []told{{call: "modules 1.0 postinst configure ''", set: "1.0"}},
				state: all("installed 1.0"),
			},
		},
		goal: "1.0",
	},
}
