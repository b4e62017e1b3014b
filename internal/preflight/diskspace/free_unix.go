//go:build unix

package diskspace

import "golang.org/x/sys/unix"

// Free is what this user may still use of the file system of the directory, in bytes.
func Free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
