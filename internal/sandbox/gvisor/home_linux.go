package gvisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// home is the directory of one sandbox.
type home string

func (h home) id() string      { return filepath.Base(string(h)) }
func (h home) in() string      { return filepath.Join(string(h), "in") }
func (h home) staging() string { return filepath.Join(string(h), "staged.part") }
func (h home) state() string   { return filepath.Join(string(h), "state") }
func (h home) config() string  { return filepath.Join(string(h), "config.json") }
func (h home) log() string     { return filepath.Join(string(h), "runsc.log") }
func (h home) panics() string  { return filepath.Join(string(h), "panic.log") }
func (h home) output() string  { return filepath.Join(string(h), "output") }

func (h home) staged(p sandbox.Purpose) string { return filepath.Join(h.in(), string(p)) }

// makeHome makes the directory of the sandbox below dir. It fails if there is one already.
func makeHome(dir, id string) (_ home, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	path, err := sandboxdir.Make(dir, id)
	if err != nil {
		return "", err
	}
	undo.Add(func() { _ = sandboxdir.Remove(path) })
	h := home(path)
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

// stagedAlready are the purposes for which files are staged.
func (h home) stagedAlready() (map[sandbox.Purpose]bool, error) {
	entries, err := os.ReadDir(h.in())
	if err != nil {
		return nil, fmt.Errorf("list staged files: %w", err)
	}
	staged := make(map[sandbox.Purpose]bool)
	for _, e := range entries {
		staged[sandbox.Purpose(e.Name())] = true
	}
	return staged, nil
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
