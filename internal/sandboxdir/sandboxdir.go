// Package sandboxdir keeps the directories of sandboxes on the host, for every driver: one for each sandbox,
// named by its id, in the directory of the driver's state. What is in it is the driver's business, but for the
// record of the sandbox's processes, by which [Sweep] finds those that have outlived their node.
//
// Its functions may be called at the same time for different sandboxes.
package sandboxdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxID is how long an id may be.
const maxID = 32

// CheckID refuses an id that cannot become the name of a directory.
func CheckID(id string) error {
	if !validID(id) {
		return fmt.Errorf("id %q is not of letters and digits, at most %d", id, maxID)
	}
	return nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		digit, lower, upper := '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z'
		if !digit && !lower && !upper {
			return false
		}
	}
	return true
}

// Make makes the directory of a sandbox below dir, for the node's user alone, and returns its path. It fails if
// there is one already.
func Make(dir, id string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make directory of sandboxes: %w", err)
	}
	path := filepath.Join(dir, id)
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("make sandbox directory: %w", err)
	}
	return path, nil
}

// Remove removes the directory of a sandbox and all in it. No process of the sandbox may be left. It is no
// error if there is none.
func Remove(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrPermission) {
		// A workload can take the permissions away from directories of its own.
		openUp(path)
		err = os.RemoveAll(path)
	}
	if err != nil {
		return fmt.Errorf("remove sandbox directory: %w", err)
	}
	return nil
}

// openUp gives the permissions back that removing needs. What fails here fails again in Remove.
func openUp(path string) {
	_ = filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && err == nil {
			// The directory is opened after this call, and entered with the new permissions.
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
}
