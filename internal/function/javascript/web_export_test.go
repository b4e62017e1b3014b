package javascript

// For tests.
var (
	ParseURL = parseURL
	SetURL   = setURL
)
