package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

func (h home) id() string      { return filepath.Base(string(h)) }
func (h home) in() string      { return filepath.Join(string(h), "in") }
func (h home) staging() string { return filepath.Join(string(h), "artifact.part") }
func (h home) staged() string  { return filepath.Join(h.in(), artifactName) }
func (h home) state() string   { return filepath.Join(string(h), "state") }
func (h home) config() string  { return filepath.Join(string(h), "config.json") }
func (h home) log() string     { return filepath.Join(string(h), "runsc.log") }
func (h home) panics() string  { return filepath.Join(string(h), "panic.log") }

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
	if err := os.Mkdir(h.state(), 0o700); err != nil {
		return "", fmt.Errorf("make sandbox directory: %w", err)
	}
	if err := makeDir(h.in(), 0o755); err != nil { // seen by users inside
		return "", fmt.Errorf("make sandbox directory: %w", err)
	}
	return h, nil
}

// describe writes what runsc is to know of the sandbox.
func (h home) describe(s description) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("describe sandbox: %w", err)
	}
	if err := os.WriteFile(h.config(), b, 0o600); err != nil {
		return fmt.Errorf("describe sandbox: %w", err)
	}
	return nil
}

// remove removes the directory and all in it. It is no error if there is none.
func (h home) remove() error {
	if err := os.RemoveAll(string(h)); err != nil {
		return fmt.Errorf("remove sandbox directory: %w", err)
	}
	return nil
}

// makeDir makes a directory with these permissions, whatever the umask.
func makeDir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// readTail reads at most n bytes from the end of a file; no file is an empty one.
func readTail(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if _, err := f.Seek(-n, io.SeekEnd); err != nil {
		_, err = f.Seek(0, io.SeekStart) // it is shorter
		if err != nil {
			return nil
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return b
}
