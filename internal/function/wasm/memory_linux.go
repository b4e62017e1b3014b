package wasm

import "golang.org/x/sys/unix"

const mapNoReserve = unix.MAP_NORESERVE

// zeroByHand is up to which size it is faster to write zeros than to let the kernel take the pages
// back and hand out new ones.
const zeroByHand = 128 << 10

// zero makes memory zero, and gives back what it took of the machine's.
func zero(b []byte) bool {
	if len(b) <= zeroByHand {
		clear(b)
		return true
	}
	return unix.Madvise(b, unix.MADV_DONTNEED) == nil
}
