package pool

import (
	"context"
	"log/slog"
	"sync"

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

	log     *slog.Logger
	release sync.Once
	leased  chan struct{} // closed when the pool need no longer watch it
}

// Release kills whatever still runs in the sandbox and gives everything back. It returns when
// nothing is left, at the latest after ten seconds; what is left then is in the node's log. It may
// be called more than once.
func (a *Agent) Release() {
	a.release.Do(func() {
		close(a.leased)
		ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
		defer cancel()
		if err := a.Instance.Destroy(ctx); err != nil {
			a.log.Error("sandbox did not end", "error", err)
		}
		a.Link.Close()
	})
}
