package preflight

import "golang.org/x/sys/windows"

// mayWrite cannot tell without making something: only doing it evaluates all access control lists.
func mayWrite(string) error { return nil }

// lockFree cannot tell: folders have no locks here, and opening the file says soon enough.
func lockFree(string) (bool, error) { return true, nil }

// freeSpace is what this user may still use of the volume.
func freeSpace(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}
