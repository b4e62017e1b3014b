package process

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// home is the directory of one sandbox.
type home string

func (h home) work() string { return filepath.Join(string(h), "work") }
func (h home) tmp() string  { return filepath.Join(string(h), "tmp") }

// output is the FIFO for what the agent prints.
func (h home) output() string { return filepath.Join(string(h), "output") }

func (h home) staged(p sandbox.Purpose) string { return filepath.Join(string(h), string(p)) }

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
	for _, d := range []string{h.work(), h.tmp()} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return "", fmt.Errorf("make sandbox directory: %w", err)
		}
	}
	return h, nil
}
