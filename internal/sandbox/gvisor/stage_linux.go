package gvisor

import (
	"context"
	"fmt"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// Stage implements [sandbox.Instance]. Users inside are nobody on the host, so everybody must be able to read
// and run the copy.
func (i *instance) Stage(ctx context.Context, p sandbox.Purpose, hostPath string) (string, error) {
	i.changing.Lock()
	defer i.changing.Unlock()
	err := errStaged
	if !i.staged[p] {
		err = sandboxdir.Copy(hostPath, i.home.staging(), i.home.staged(p), 0o555, func() error { return i.wanted(ctx) })
	}
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", hostPath, err)
	}
	i.staged[p] = true
	return inDir + "/" + string(p), nil
}

// wanted is an error if nobody needs what is being done any more.
func (i *instance) wanted(ctx context.Context) error {
	switch {
	case i.ended():
		return errEnded
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}
