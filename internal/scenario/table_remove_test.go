package scenario

var removals = []scenario{
	{
		name:  "remove",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: named("--remove", "modules"),
			calls: []told{
				{call: "modules 1.0 prerm remove", set: "parked 1.0"},
				{call: "modules 1.0 postrm remove", set: "none"},
			},
			state: all("installed 1.0").but("modules", "config-files 1.0"),
		}},
		goal: "removed",
	},
	{
		name:  "purge",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: named("--purge", "objects", "signatures", "modules"),
			calls: []told{
				{call: "modules 1.0 prerm remove", set: "parked 1.0"},
				{call: "modules 1.0 postrm remove", set: "none"},
				{call: "modules 1.0 postrm purge", set: "none"},
			},
			state: state{},
		}},
		goal: "purged",
	},
	{
		name:  "purge from config-files",
		start: start(install("2.0"), named("--remove", "modules")),
		steps: []step{{
			dpkg:  named("--purge", "modules"),
			calls: []told{{call: "modules 2.0 postrm purge", set: "none"}},
			state: all("installed 2.0").but("modules", ""),
		}},
		goal: "purged",
	},
	{
		name:  "purge fails",
		start: start(install("2.0"), named("--remove", "modules")),
		steps: []step{
			{
				dpkg:   named("--purge", "modules"),
				faults: map[string]kind{"modules 2.0 postrm purge": failBefore},
				code:   1,
				calls:  []told{{call: "modules 2.0 postrm purge", set: "none"}},
				state:  all("installed 2.0").but("modules", "config-files 2.0"),
			},
			{
				dpkg:  named("--purge", "modules"),
				calls: []told{{call: "modules 2.0 postrm purge", set: "none"}},
				state: all("installed 2.0").but("modules", ""),
			},
		},
		goal: "purged",
	},
	{
		name:  "prerm fails before it took anything",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   named("--remove", "modules"),
			faults: map[string]kind{"modules 1.0 prerm remove": failBefore},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm remove", set: "1.0"},
				{call: "modules 1.0 postinst abort-remove", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "removed",
	},
	{
		name:  "prerm fails, and all is put back",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   named("--remove", "modules"),
			faults: map[string]kind{"modules 1.0 prerm remove": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm remove", set: "parked 1.0"},
				{call: "modules 1.0 postinst abort-remove", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "prerm and abort-remove fail",
		start: start(install("2.0")),
		steps: []step{
			{
				dpkg: named("--remove", "modules"),
				faults: map[string]kind{
					"modules 2.0 prerm remove":          failAfter,
					"modules 2.0 postinst abort-remove": failBefore,
				},
				code: 1,
				calls: []told{
					{call: "modules 2.0 prerm remove", set: "parked 2.0"},
					{call: "modules 2.0 postinst abort-remove", set: "parked 2.0"},
				},
				state: all("installed 2.0").but("modules", "half-configured 2.0"),
			},
			{ // it is to go, so that nothing of it is pending
				dpkg:  named("--configure", "modules"),
				calls: []told{{call: "modules 2.0 postinst configure 2.0", set: "2.0"}},
				state: all("installed 2.0"),
			},
		},
		goal: "2.0",
	},
	{
		name:  "postrm fails",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:   named("--remove", "modules"),
				faults: map[string]kind{"modules 1.0 postrm remove": failBefore},
				code:   1,
				calls: []told{
					{call: "modules 1.0 prerm remove", set: "parked 1.0"},
					{call: "modules 1.0 postrm remove", set: "parked 1.0"},
				},
				state: all("installed 1.0").but("modules", "half-installed 1.0"),
			},
			{
				dpkg:  named("--remove", "modules"),
				calls: []told{{call: "modules 1.0 postrm remove", set: "none"}},
				state: all("installed 1.0").but("modules", "config-files 1.0"),
			},
		},
		goal: "removed",
	},
	{
		name:  "postrm fails, and it is installed again",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:   named("--remove", "modules"),
				faults: map[string]kind{"modules 1.0 postrm remove": failBefore},
				code:   1,
				calls: []told{
					{call: "modules 1.0 prerm remove", set: "parked 1.0"},
					{call: "modules 1.0 postrm remove", set: "parked 1.0"},
				},
				state: all("installed 1.0").but("modules", "half-installed 1.0"),
			},
			{
				dpkg: install("2.0"),
				calls: []told{
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "parked 1.0"},
					{call: "modules 1.0 postrm upgrade 2.0", set: "parked 1.0"},
					{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
				},
				state: all("installed 2.0"),
			},
		},
		goal: "2.0",
	},
	{
		name:  "remove what is only unpacked",
		start: start(unpack("1.0")),
		steps: []step{{
			dpkg:  named("--remove", "modules"),
			calls: []told{{call: "modules 1.0 postrm remove", set: "none"}},
			state: all("unpacked 1.0").but("modules", "config-files 1.0"),
		}},
		goal: "removed",
	},
	{
		name:  "remove an upgrade that is only unpacked",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: unpack("2.0"),
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
				},
				state: all("unpacked 2.0"),
			},
			{
				dpkg:  named("--remove", "modules"),
				calls: []told{{call: "modules 2.0 postrm remove", set: "none"}},
				state: all("unpacked 2.0").but("modules", "config-files 2.0"),
			},
		},
		goal: "removed",
	},
	{
		name:  "remove what is half configured",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg:   install("2.0"),
				faults: map[string]kind{"modules 2.0 postinst configure 1.0": failBefore},
				code:   1,
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 postinst configure 1.0", set: "1.0"},
				},
				state: all("installed 2.0").but("modules", "half-configured 2.0"),
			},
			{
				dpkg: named("--purge", "modules"),
				calls: []told{
					{call: "modules 2.0 prerm remove", set: "parked 1.0"},
					{call: "modules 2.0 postrm remove", set: "none"},
					{call: "modules 2.0 postrm purge", set: "none"},
				},
				state: all("installed 2.0").but("modules", ""),
			},
		},
		goal: "purged",
	},
}
