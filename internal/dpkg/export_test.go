package dpkg

// ParseSearch is the reader of dpkg-query --search.
var ParseSearch = parseSearch

// ParsePackages is the reader of what Packages asks for.
var ParsePackages = parsePackages
