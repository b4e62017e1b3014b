package pool

import (
	"context"
	"slices"
	"sync"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
)

// Need is what a workload needs of the sandbox of its agent.
type Need struct {
	// Network is one of its own. Services need one, functions must have none.
	Network bool
	// Rootfs is the root of an image; see [sandbox.Spec]. No agent waits in such a sandbox: it is started
	// when it is needed.
	Rootfs string
	// Settings are what the sandbox has when it is leased.
	Settings sandbox.Settings
}

// Pools are the pools of a node: agents with a network for services, and without for functions. In
// sandboxes that share the machine's network one pool serves both. It is safe for concurrent use.
type Pools struct {
	services, functions *Pool // nil if the node runs none of these; the same where one pool serves both
	all                 []*Pool
	images              bool // the driver can have an image as the root of a sandbox
}

// OpenPools makes pools and starts the first agent of each; see [NewPools] and [Pools.Start].
func OpenPools(ctx context.Context, cfg Config, types []nex.WorkloadType) (*Pools, error) {
	p := NewPools(cfg, types)
	if err := p.Start(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// NewPools makes the pools that workloads of the types need. They start no agents until they are asked for
// one, or to Start. The caller owns the Pools and closes them.
func NewPools(cfg Config, types []nex.WorkloadType) *Pools {
	caps := cfg.Driver.Capabilities()
	p := &Pools{images: caps.Images}
	isFunction := func(t nex.WorkloadType) bool { return t.Function() }
	isService := func(t nex.WorkloadType) bool { return !t.Function() }
	if slices.ContainsFunc(types, isFunction) || caps.HostNetwork {
		p.functions = New(cfg)
		p.all = append(p.all, p.functions)
	}
	switch {
	case caps.HostNetwork:
		p.services = p.functions
	case slices.ContainsFunc(types, isService) && caps.Network:
		cfg.Network = true
		if !slices.Contains(types, nex.TypeNative) {
			cfg.Size = 0 // images bring their own root
		}
		p.services = New(cfg)
		p.all = append(p.all, p.services)
	}
	return p
}

// Start starts the first agent of each pool, one after the other. It fails when one does not come up.
func (p *Pools) Start(ctx context.Context) error {
	for _, one := range p.all {
		if err := one.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Fill lets the pools fill themselves, as they do after Start, however long that takes.
func (p *Pools) Fill() {
	for _, one := range p.all {
		one.fill()
	}
}

// Lease is [Pool.Lease] for what a workload needs. The agent's sandbox has the settings.
func (p *Pools) Lease(ctx context.Context, need Need) (*Agent, error) {
	from, err := p.of(need.Network)
	if err != nil {
		return nil, err
	}
	if need.Rootfs != "" {
		return from.leaseCold(ctx, need)
	}
	a, err := from.Lease(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.configure(ctx, need.Settings); err != nil {
		a.Release()
		return nil, nex.Errorf(nex.CodeStartFailed, "the sandbox cannot be what the workload asks for: %v", err)
	}
	return a, nil
}

// of is the pool whose agents have a network, or none.
func (p *Pools) of(network bool) (*Pool, error) {
	from := p.functions
	if network {
		from = p.services
	}
	if from == nil {
		return nil, nex.Errorf(nex.CodeNoAgent, "no agent can be leased: this node has no sandboxes of this kind")
	}
	return from, nil
}

// Idle is the number of agents that can be leased at once.
func (p *Pools) Idle() int {
	n := 0
	for _, one := range p.all {
		n += one.Idle()
	}
	return n
}

// Types are the workload types that the agents run, of those that may be served here.
func (p *Pools) Types() []nex.WorkloadType {
	var types []nex.WorkloadType
	for _, t := range nex.WorkloadTypes {
		from := p.services
		if t.Function() {
			from = p.functions
		}
		if t == nex.TypeOCI {
			if from != nil && p.images {
				types = append(types, t)
			}
			continue
		}
		if from != nil && slices.Contains(from.Types(), t) {
			types = append(types, t)
		}
	}
	return types
}

// Close closes the pools.
func (p *Pools) Close() {
	var closing sync.WaitGroup
	for _, one := range p.all {
		closing.Go(one.Close)
	}
	closing.Wait()
}
