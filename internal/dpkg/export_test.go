package dpkg

// ParseSearch is the reader of dpkg-query --search.
var ParseSearch = parseSearch
