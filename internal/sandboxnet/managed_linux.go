package sandboxnet

import (
	"context"
	"net/netip"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// Of lets sandboxes use the network of a manager, which stays the caller's.
func Of(m *network.Manager) Network { return managed{m} }

type managed struct{ *network.Manager }

func (m managed) Attach(ctx context.Context, id string, e nex.Egress) (Endpoint, error) {
	ep, err := m.Manager.Attach(ctx, id, e)
	if err != nil {
		return nil, err // and no nil endpoint in an interface
	}
	return ep, nil
}

func (m managed) Adopt(ctx context.Context, id string, e nex.Egress) (Endpoint, error) {
	ep, err := m.Manager.Adopt(ctx, id, e)
	if err != nil {
		return nil, err // and no nil endpoint in an interface
	}
	return ep, nil
}

func (m managed) Nameserver() netip.Addr { return m.Gateway() }

func (m managed) Sweep(ctx context.Context) (int, error) {
	return m.Manager.Sweep(ctx, func(string) bool { return false })
}
