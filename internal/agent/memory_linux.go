package agent

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// statm returns the fields of /proc/self/statm, in bytes, as far as they can be read.
func statm() (fields [7]int64) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return fields
	}
	page := int64(os.Getpagesize())
	for i, f := range bytes.Fields(b) {
		if n, err := strconv.ParseInt(string(f), 10, 64); err == nil && i < len(fields) {
			fields[i] = n * page
		}
	}
	return fields
}

// memoryUse returns what this process uses: the resident memory that is its own, and all that is
// resident. Both are 0 if the system does not tell.
func memoryUse() (private, resident int64) {
	f := statm()
	return f[1] - f[2], f[1]
}

// limitSlack is what a process may map beyond twice its bound before the kernel refuses it more: what
// is mapped and not used counts there in full, such as the stacks of threads and what V8 maps ahead,
// and a refusal ends the process without a word. The bound itself is enforced by looking.
const limitSlack = 1 << 30

// limitMemory makes the kernel refuse memory to this process that is far beyond the bound: a function
// that fills it faster than anybody looks ends its own agent, not others.
func limitMemory(most int64) {
	limit := uint64(statm()[5] + 2*most + limitSlack)
	// Without it there is still the bound itself.
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit})
}
