package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/unwind"
)

// maxID is how long an id may be.
const maxID = 32

// validID reports whether an id may become the name of a directory.
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

// home is the directory of one sandbox.
type home string

func (h home) work() string     { return filepath.Join(string(h), "work") }
func (h home) tmp() string      { return filepath.Join(string(h), "tmp") }
func (h home) artifact() string { return filepath.Join(string(h), "artifact") }

// makeHome makes the directory of the sandbox below dir. It fails if there is one already.
func makeHome(dir, id string) (_ home, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make directory of sandboxes: %w", err)
	}
	h := home(filepath.Join(dir, id))
	if err := os.Mkdir(string(h), 0o700); err != nil {
		return "", fmt.Errorf("make sandbox directory: %w", err)
	}
	undo.Add(func() { _ = h.remove() })
	for _, d := range []string{h.work(), h.tmp()} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return "", fmt.Errorf("make sandbox directory: %w", err)
		}
	}
	return h, nil
}

// remove removes the directory and all in it. No process of the sandbox may be left. It is no error
// if there is none.
func (h home) remove() error {
	err := os.RemoveAll(string(h))
	if errors.Is(err, fs.ErrPermission) {
		// A workload can take the permissions away from directories of its own.
		h.openUp()
		err = os.RemoveAll(string(h))
	}
	if err != nil {
		return fmt.Errorf("remove sandbox directory: %w", err)
	}
	return nil
}

// openUp gives the permissions back that removing needs. What fails here fails again in remove.
func (h home) openUp() {
	_ = filepath.WalkDir(string(h), func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && err == nil {
			// The directory is opened after this call, and entered with the new permissions.
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
}
