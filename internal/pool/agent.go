package pool

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Agent is one agent in its sandbox, with the link to it.
type Agent struct {
	ID       string
	Instance sandbox.Instance
	Link     *linkhost.Link
	Hello    agentlink.Handshake

	settings sandbox.Settings // of the sandbox
	pool     *Pool
	log      *slog.Logger
	release  sync.Once
	ready    time.Time     // when it shook hands
	taken    chan struct{} // made when it becomes idle, closed when it no longer is; guarded by Pool.mu
}

// configure changes the settings of the sandbox, if they are other ones.
func (a *Agent) configure(ctx context.Context, s sandbox.Settings) error {
	if reflect.DeepEqual(a.settings, s) {
		return nil
	}
	if err := a.Instance.Configure(ctx, s); err != nil {
		return err
	}
	a.settings = s
	return nil
}

// destroyTimeout bounds how long Release waits for a sandbox.
const destroyTimeout = 10 * time.Second

// Release kills whatever still runs in the sandbox and gives everything back. It returns when
// nothing is left, at the latest after ten seconds; what is left then is in the node's log, and the pool
// tries again until it is closed. It may be called more than once, and each call returns when the first
// has done its work.
func (a *Agent) Release() {
	a.release.Do(func() {
		err := a.destroy()
		a.Link.Close()
		if err != nil {
			a.log.Error("sandbox did not end", "error", err)
			a.pool.retire(a)
		}
	})
}

func (a *Agent) destroy() error {
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	return a.Instance.Destroy(ctx)
}
