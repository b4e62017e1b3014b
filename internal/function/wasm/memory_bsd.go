//go:build unix && !linux

package wasm

const mapNoReserve = 0

// mostKept is the size from which on a memory is rather got anew than filled with zeros.
const mostKept = 16 << 20

// zero makes memory zero, if that is worth it: only on Linux can a system be told to take pages back
// and to hand out empty ones in the same place.
func zero(b []byte) bool {
	if len(b) > mostKept {
		return false
	}
	clear(b)
	return true
}
