package fake

import (
	"context"
	"errors"
	"fmt"

	"github.com/nex-engine/nex/internal/sandbox"
)

// Lasting is a Driver whose sandboxes outlive their node. A test calls Leave when it has ended its node, and gives
// the same Lasting to the next one.
type Lasting struct {
	Driver
	// AdoptErr is asked by each Adopt of a sandbox that is there whether it fails.
	AdoptErr func(id string) error

	left map[string]bool // guarded by the Driver's mu
}

var _ sandbox.Adopter = (*Lasting)(nil)

// Leave says that the node of all sandboxes is gone.
func (l *Lasting) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = map[string]bool{}
	for id := range l.live {
		l.left[id] = true
	}
}

// Adopt returns the instance that was left, unless it has ended since.
func (l *Lasting) Adopt(ctx context.Context, id string, _ func(line string)) (sandbox.Instance, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("adopt sandbox %s: %w", id, context.Cause(ctx))
	}
	l.mu.Lock()
	i, left := l.live[id], l.left[id]
	delete(l.left, id)
	l.mu.Unlock()
	var err error
	switch {
	case i == nil:
		err = sandbox.ErrGone
	case !left:
		return nil, fmt.Errorf("adopt sandbox %s: it is in use already", id)
	case i.hasEnded():
		err = sandbox.ErrGone
	case l.AdoptErr != nil:
		err = l.AdoptErr(id)
	}
	if err != nil {
		l.giveBack(i)
		return nil, fmt.Errorf("adopt sandbox %s: %w", id, err)
	}
	return i, nil
}

func (l *Lasting) giveBack(i *Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i != nil {
		l.left[i.id] = true
	}
}

// Sweep destroys the instances that were left and not adopted.
func (l *Lasting) Sweep(ctx context.Context) (int, error) {
	l.mu.Lock()
	var left []*Instance
	for id := range l.left {
		if i := l.live[id]; i != nil {
			left = append(left, i)
		}
	}
	clear(l.left)
	l.mu.Unlock()
	swept := 0
	var failed []error
	for _, i := range left {
		if err := i.Destroy(ctx); err != nil {
			failed = append(failed, err)
			continue
		}
		swept++
	}
	return swept, errors.Join(failed...)
}
