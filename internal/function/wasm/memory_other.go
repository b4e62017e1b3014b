//go:build !unix

package wasm

// mostKept is the size from which on a memory is rather got anew than filled with zeros.
const mostKept = 16 << 20

// region is one linear memory. It moves when it grows.
type region struct {
	limit int
	all   []byte
	used  int
}

func newRegion(limit uint64) (*region, error) { return &region{limit: int(limit)}, nil }

// grow returns the memory with the size.
func (r *region) grow(size uint64) []byte {
	n := int(size)
	if n > len(r.all) {
		all := make([]byte, min(max(n, 2*len(r.all)), r.limit))
		copy(all, r.all[:r.used])
		r.all = all
	}
	r.used = n
	return r.all[:n:n]
}

// wipe makes the memory what a new one is; false means that it cannot be used again.
func (r *region) wipe() bool {
	if len(r.all) > mostKept {
		return false
	}
	clear(r.all[:r.used])
	r.used = 0
	return true
}

func (r *region) free() { r.all = nil }
