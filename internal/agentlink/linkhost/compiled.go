package linkhost

import (
	"net"

	"github.com/nex-engine/nex/internal/agentlink"
)

// serveCompiled takes what the agent has compiled, once, if it has said so when it answered the Deploy: at
// that time no call had reached it yet that might have taken it over.
func (l *Link) serveCompiled(conn net.Conn) {
	defer conn.Close()
	select {
	case <-l.deployed:
	case <-l.ctx.Done():
		return
	}
	e := l.events.Load()
	if e == nil || e.Compiled == nil || !l.compiled.CompareAndSwap(true, false) {
		return
	}
	if err := agentlink.TakeCompiled(conn, e.Compiled); err != nil && l.ctx.Err() == nil {
		l.host.cfg.Logger.Warn("what an agent has compiled is not kept", "agent", l.id, "error", err)
	}
}
