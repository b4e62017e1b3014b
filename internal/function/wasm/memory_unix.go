//go:build unix

package wasm

import "golang.org/x/sys/unix"

// region is a stretch of address space for one linear memory, which grows in it without ever moving.
// Only the part that has been in use can be read and written; the rest costs nothing, not even where
// the system promises no more memory than it has.
type region struct {
	all  []byte // as large as a memory may become
	open int    // bytes at the beginning that can be used
	used int    // bytes at the beginning that the memory has now
}

func newRegion(limit uint64) (*region, error) {
	all, err := unix.Mmap(-1, 0, int(limit), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return nil, err
	}
	return &region{all: all}, nil
}

// grow returns the memory with the size, or nil if the system has no more.
func (r *region) grow(size uint64) []byte {
	n := int(size)
	if n > r.open {
		if unix.Mprotect(r.all[r.open:n], unix.PROT_READ|unix.PROT_WRITE) != nil {
			return nil
		}
		r.open = n
	}
	r.used = n
	return r.all[:n:n]
}

// wipe makes the memory what a new one is; false means that it cannot be used again.
func (r *region) wipe() bool {
	ok := zero(r.all[:r.used])
	r.used = 0
	return ok
}

func (r *region) free() {
	_ = unix.Munmap(r.all) // fails for memory that is not mapped alone
	r.all = nil
}
