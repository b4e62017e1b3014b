package microvm

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Stage implements [sandbox.Instance]. The file goes to the machine's disk.
func (i *instance) Stage(ctx context.Context, p sandbox.Purpose, hostPath string) (string, error) {
	i.changing.Lock()
	defer i.changing.Unlock()
	path, err := i.stage(ctx, p, hostPath)
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
	i.staged[p] = true
	return path, nil
}

func (i *instance) stage(ctx context.Context, p sandbox.Purpose, hostPath string) (string, error) {
	if i.staged[p] {
		return "", errStaged
	}
	f, err := os.Open(hostPath)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	s, err := i.current(ctx)
	if err != nil {
		return "", err
	}
	path, err := s.Stage(ctx, string(p), info.Size(), f)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return path, err
}
