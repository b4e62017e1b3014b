package firecracker

// What the tests decode and compute with.
var (
	CallPort     = callPort
	ParseVersion = parseVersion
	Bucket       = bucket
)

// Usable is usable.
func (v version) Usable() error { return v.usable() }
