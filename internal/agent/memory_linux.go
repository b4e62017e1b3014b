package agent

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

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

// memoryUse finds out what this process uses.
type memoryUse struct{ files int64 }

// private is the resident memory that is not of files, such as programs; 0 if the system does not tell.
// What most is matters where the kernel does not tell the files apart, as gVisor's: what they take is then
// found out again only before the rest is said to be more.
func (u *memoryUse) private(most int64) int64 {
	f := statm()
	resident, shared := f[1], f[2]
	if shared > 0 || resident == 0 {
		return resident - shared
	}
	if u.files == 0 || (most > 0 && resident-u.files > most) {
		u.files = residentFiles()
	}
	return max(resident-u.files, 0)
}

// residentFiles is how many bytes of files are resident, as far as that can be read.
func residentFiles() (bytes int64) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0
	}
	defer smaps.Close()
	ofFile := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case !strings.HasSuffix(fields[0], ":"): // the first line of a mapping
			ofFile = len(fields) > 5 && strings.HasPrefix(fields[5], "/")
		case ofFile && fields[0] == "Rss:":
			bytes += kilobytes(fields)
		case ofFile && fields[0] == "Anonymous:": // written to, and so no longer the file's
			bytes -= kilobytes(fields)
		}
	}
	return bytes
}

func kilobytes(fields []string) int64 {
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
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
