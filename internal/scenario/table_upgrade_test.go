package scenario

var upgrades = []scenario{
	{
		name:  "upgrade",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "reinstall",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("1.0"),
			calls: []told{
				{call: "modules 1.0 prerm upgrade 1.0", set: "1.0"},
				{call: "modules 1.0 preinst upgrade 1.0 1.0", set: "1.0"},
				{call: "modules 1.0 postrm upgrade 1.0", set: "1.0"},
				{call: "modules 1.0 postinst configure 1.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "downgrade",
		start: start(install("3.0")),
		steps: []step{{
			dpkg: install("2.0"),
			calls: []told{
				{call: "modules 3.0 prerm upgrade 2.0", set: "3.0"},
				{call: "modules 2.0 preinst upgrade 3.0 2.0", set: "3.0"},
				{call: "modules 3.0 postrm upgrade 2.0", set: "3.0"},
				{call: "modules 2.0 postinst configure 3.0", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "downgrade to more modules, and reinstall",
		start: start(install("2.0")),
		steps: []step{
			{
				dpkg: install("1.0"),
				calls: []told{
					{call: "modules 2.0 prerm upgrade 1.0", set: "2.0"},
					{call: "modules 1.0 preinst upgrade 2.0 1.0", set: "2.0"},
					{call: "modules 2.0 postrm upgrade 1.0", set: "2.0"},
					{call: "modules 1.0 postinst configure 2.0", set: "1.0"},
				},
				state: all("installed 1.0"),
			},
			{
				dpkg: install("1.0"),
				calls: []told{
					{call: "modules 1.0 prerm upgrade 1.0", set: "1.0"},
					{call: "modules 1.0 preinst upgrade 1.0 1.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 1.0", set: "1.0"},
					{call: "modules 1.0 postinst configure 1.0", set: "1.0"},
				},
				state: all("installed 1.0"),
			},
		},
		goal: "1.0",
	},
	{
		name:  "upgrade twice",
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
			{ // the old one is only unpacked: its prerm and postinst have no say
				dpkg: install("3.0"),
				calls: []told{
					{call: "modules 3.0 preinst upgrade 2.0 3.0", set: "1.0"},
					{call: "modules 2.0 postrm upgrade 3.0", set: "1.0"},
					{call: "modules 3.0 postinst configure 1.0", set: "3.0"},
				},
				state: all("installed 3.0"),
			},
		},
		goal: "3.0",
	},
	{
		name:  "upgrade of what is only unpacked",
		start: start(unpack("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			calls: []told{
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "none"},
				{call: "modules 1.0 postrm upgrade 2.0", set: "none"},
				{call: "modules 2.0 postinst configure ''", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "preinst fails over what is only unpacked",
		start: start(unpack("1.0")),
		steps: []step{{
			dpkg:   install("2.0"),
			faults: map[string]kind{"modules 2.0 preinst upgrade 1.0 2.0": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "none"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "none"},
			},
			state: all("installed 2.0").but("modules", "unpacked 1.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "old prerm fails",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   install("2.0"),
			faults: map[string]kind{"modules 1.0 prerm upgrade 2.0": failAfter},
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 prerm failed-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "old and new prerm fail",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			faults: map[string]kind{
				"modules 1.0 prerm upgrade 2.0":            failAfter,
				"modules 2.0 prerm failed-upgrade 1.0 2.0": failAfter,
			},
			code: 1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 prerm failed-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "installed 1.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "old and new prerm fail, abort-upgrade too",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			faults: map[string]kind{
				"modules 1.0 prerm upgrade 2.0":            failAfter,
				"modules 2.0 prerm failed-upgrade 1.0 2.0": failAfter,
				"modules 1.0 postinst abort-upgrade 2.0":   failBefore,
			},
			code: 1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 prerm failed-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "half-configured reinstreq 1.0"),
			newer: &outcome{
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
					{call: "modules 2.0 prerm failed-upgrade 1.0 2.0", set: "1.0"},
					{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
				},
				state: all("installed 2.0").but("modules", "half-configured 1.0"),
			},
		}},
		goal: "2.0",
	},
	{
		name:  "preinst fails in an upgrade",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   install("2.0"),
			faults: map[string]kind{"modules 2.0 preinst upgrade 1.0 2.0": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "installed 1.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "preinst fails in an upgrade of modules alone",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   installOne("+modules-2.0"),
			faults: map[string]kind{"modules 2.0 preinst upgrade 1.0 2.0": failAfter},
			code:   1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 1.0"),
		}},
		goal: "1.0",
	},
	{
		name:  "preinst fails in an upgrade of what is parked",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: named("--remove", "modules"),
				faults: map[string]kind{
					"modules 1.0 prerm remove":          failAfter,
					"modules 1.0 postinst abort-remove": failBefore,
				},
				code: 1,
				calls: []told{
					{call: "modules 1.0 prerm remove", set: "parked 1.0"},
					{call: "modules 1.0 postinst abort-remove", set: "parked 1.0"},
				},
				state: all("installed 1.0").but("modules", "half-configured 1.0"),
			},
			{
				dpkg:   installOne("+modules-2.0"),
				faults: map[string]kind{"modules 2.0 preinst upgrade 1.0 2.0": failAfter},
				code:   1,
				calls: []told{
					{call: "modules 1.0 prerm upgrade 2.0", set: "parked 1.0"},
					{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "parked 1.0"},
					{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "parked 1.0"},
					{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
				},
				state: all("installed 1.0"),
				// It unwinds, and leaves the old one to be configured.
				newer: &outcome{
					calls: []told{
						{call: "modules 1.0 prerm upgrade 2.0", set: "parked 1.0"},
						{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "parked 1.0"},
						{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "parked 1.0"},
					},
					state: all("installed 1.0").but("modules", "unpacked 1.0"),
				},
			},
		},
		goal: "1.0",
	},
	{
		name:  "preinst and abort-upgrade fail",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			faults: map[string]kind{
				"modules 2.0 preinst upgrade 1.0 2.0":      failAfter,
				"modules 2.0 postrm abort-upgrade 1.0 2.0": failBefore,
			},
			code: 1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "half-installed reinstreq 1.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "unpack fails in an upgrade",
		start: start(installOne("+owner-1.0"), install("1.0")),
		steps: []step{{
			dpkg: installOne("+objects-2.0", "+signatures-2.0", "+modules-2.0-clash"),
			code: 1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "installed 1.0", "owner", "installed 1.0"),
		}},
		goal:   "2.0",
		others: []string{"owner"},
	},
	{
		name:  "old postrm fails",
		start: start(install("1.0")),
		steps: []step{{
			dpkg:   install("2.0"),
			faults: map[string]kind{"modules 1.0 postrm upgrade 2.0": failAfter},
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 postrm failed-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 2.0 postinst configure 1.0", set: "2.0"},
			},
			state: all("installed 2.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "old and new postrm fail",
		start: start(install("1.0")),
		steps: []step{{
			dpkg: install("2.0"),
			faults: map[string]kind{
				"modules 1.0 postrm upgrade 2.0":            failAfter,
				"modules 2.0 postrm failed-upgrade 1.0 2.0": failAfter,
			},
			code: 1,
			calls: []told{
				{call: "modules 1.0 prerm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 preinst upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postrm upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 postrm failed-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 preinst abort-upgrade 2.0", set: "1.0"},
				{call: "modules 2.0 postrm abort-upgrade 1.0 2.0", set: "1.0"},
				{call: "modules 1.0 postinst abort-upgrade 2.0", set: "1.0"},
			},
			state: all("installed 2.0").but("modules", "installed 1.0"),
		}},
		goal: "2.0",
	},
	{
		name:  "postinst fails in an upgrade",
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
				dpkg:  configureAll,
				calls: []told{{call: "modules 2.0 postinst configure 1.0", set: "2.0"}},
				state: all("installed 2.0"),
			},
		},
		goal: "2.0",
	},
	{
		name:  "upgrade to a set that does not fit, and on",
		start: start(install("1.0")),
		steps: []step{
			{
				dpkg: install("4.0"),
				code: 1,
				calls: []told{
					{call: "modules 1.0 prerm upgrade 4.0", set: "1.0"},
					{call: "modules 4.0 preinst upgrade 1.0 4.0", set: "1.0"},
					{call: "modules 1.0 postrm upgrade 4.0", set: "1.0"},
					{call: "modules 4.0 postinst configure 1.0", set: "1.0", refused: true},
				},
				state: all("installed 4.0").but("modules", "half-configured 4.0"),
			},
			{
				dpkg: install("3.0"),
				calls: []told{
					{call: "modules 4.0 prerm upgrade 3.0", set: "1.0"},
					{call: "modules 3.0 preinst upgrade 4.0 3.0", set: "1.0"},
					{call: "modules 4.0 postrm upgrade 3.0", set: "1.0"},
					{call: "modules 3.0 postinst configure 1.0", set: "3.0"},
				},
				state: all("installed 3.0"),
			},
		},
		goal: "3.0",
	},
}
