package sandboxdir

var (
	ParseRecord = parseRecord
	OpenUp      = openUp
)
