//go:build !windows

package rootfs

import (
	"io/fs"
	"syscall"
)

// fileID is a file, whatever its names.
type fileID struct{ device, inode uint64 }

// identify returns which file it is, and whether it has several names.
func identify(info fs.FileInfo) (fileID, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{uint64(stat.Dev), stat.Ino}, stat.Nlink > 1 //nolint:unconvert // it has another type elsewhere
}

// ownerOf returns whose file it is.
func ownerOf(info fs.FileInfo) (uid, gid uint32) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return stat.Uid, stat.Gid
}
