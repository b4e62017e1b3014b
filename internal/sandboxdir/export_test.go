package sandboxdir

// Record is what is kept of a sandbox's processes.
type Record = record

var (
	ReadRecord  = readRecord
	ParseRecord = parseRecord
	OpenUp      = openUp
)
