//go:build !windows

package rootfs

import (
	"os"
	"syscall"
)

// inode is a file, whatever its names. A root directory is on one file system.
type inode uint64

// inodeOf returns the file's inode and whether it has several names.
func inodeOf(info os.FileInfo) (inode, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return inode(stat.Ino), stat.Nlink > 1
}
