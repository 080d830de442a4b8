package divert

// AliasedTo is where the aliased spelling of a name is diverted to if the canonical
// one is diverted to a name: another place than that, on every layout (DEP17, M18).
func AliasedTo(to string) string { return aliasedTo(to) }
