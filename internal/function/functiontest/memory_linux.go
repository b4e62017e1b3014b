package functiontest

import (
	"bytes"
	"os"
	"strconv"
)

// memoryInUse is the resident memory of this process, in bytes.
func memoryInUse() int64 { return fromStatus("VmRSS:") }

// peakMemory is the most that memoryInUse has been since resetPeak.
func peakMemory() int64 { return fromStatus("VmHWM:") }

// resetPeak is false where the kernel cannot do it.
func resetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }

// fromStatus reads a line of /proc/self/status, which the kernel writes in KiB.
func fromStatus(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
			n, _ := strconv.ParseInt(string(kib), 10, 64)
			return n << 10
		}
	}
	return 0
}
