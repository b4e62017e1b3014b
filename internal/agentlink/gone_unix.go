//go:build unix

package agentlink

import (
	"io/fs"
	"syscall"
)

// removed reports whether a directory that can still be seen has been removed, as a mount of it shows it.
func removed(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
