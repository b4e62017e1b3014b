package hostinfo

import (
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
)

// memory asks sysctl; the free pages of this system are no measure of what is available, so total
// is all that it tells.
func memory() *nex.MemoryInfo {
	bytes, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return nil
	}
	return &nex.MemoryInfo{Total: int(bytes / 1024)}
}
