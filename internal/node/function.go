package node

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/compiled"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/trigger"
	"github.com/nex-engine/nex/internal/workload"
)

// Bounds of the calls of one function.
const (
	// maxCallBytes bounds the payloads of the calls under way.
	maxCallBytes = 32 << 20
)

// functions gives functions their triggers and host services. It is safe for concurrent use.
type functions struct {
	node *node
	// triggers is for functions whose requests bring no connection; host is their connection for host
	// services, and place is where that has JetStream.
	triggers *trigger.Services
	host     *nats.Conn
	place    natsconn.JetStreamPlace
	services *hostservice.Services
	compiled *compiled.Cache
}

var _ workload.Functions = (*functions)(nil)

// openFunctions makes what all functions of the node share.
func (n *node) openFunctions(ctx context.Context) (*functions, error) {
	conn := n.cfg.Workload
	if conn == nil {
		conn = n.cfg.Control
	}
	cache, err := compiled.Open(filepath.Join(n.cfg.DataDir, "compiled"), 0)
	if err != nil {
		return nil, err
	}
	f := &functions{node: n, triggers: trigger.NewServices(conn), host: conn, compiled: cache}
	if n.cfg.Workload == nil {
		f.place = n.cfg.JetStream
	}
	s := n.cfg.Settings.HostServices
	if settings, own := s.Connection(); own {
		own, err := f.connect(ctx, "host services", settings)
		if err != nil {
			return nil, err
		}
		n.onClose(own.Close)
		f.host = own
		if f.place, err = settings.JetStreamPlace(); err != nil {
			return nil, err
		}
	}
	services, err := hostservice.Open(hostservice.Config{
		Services: s.Services, DenySubjects: n.cfg.Settings.DenyTriggerSubjects, Logger: n.log,
	})
	if err != nil {
		return nil, err
	}
	n.onClose(services.Close)
	f.services = services
	return f, nil
}

// connect makes a connection that lives until it is closed.
func (f *functions) connect(ctx context.Context, what string, settings natsconn.Settings) (*nats.Conn, error) {
	settings.ConnName = "nex " + what
	nc, err := settings.Connect(ctx, settings.LongLived(f.node.log)...)
	if err != nil {
		return nil, nex.Errorf(nex.CodeConnectionFailed, "the connection for %s could not be made: %s", what, err)
	}
	return nc, nil
}

// Open implements workload.Functions.
func (f *functions) Open(ctx context.Context, spec workload.Spec) (_ workload.Function, err error) {
	b := &binding{functions: f, spec: spec}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	services := f.triggers
	if spec.TriggerConnection != nil {
		nc, err := f.connect(ctx, "the triggers of "+spec.Name, natsconn.Of(nex.FieldTriggerConnection, *spec.TriggerConnection))
		if err != nil {
			return nil, err
		}
		b.own = append(b.own, nc)
		services = trigger.NewServices(nc)
	}
	host, place := f.host, f.place
	if spec.HostServices != nil {
		place = natsconn.JetStreamPlace{}
		if host, err = f.connect(ctx, "the host services of "+spec.Name, natsconn.Of(nex.FieldHostServices, *spec.HostServices)); err != nil {
			return nil, err
		}
		b.own = append(b.own, host)
	}
	settings := f.node.cfg.Settings.Functions
	b.settings = f.settings(spec, services.MaxPayload())
	b.trigger = trigger.New(trigger.Config{
		Services: services, ID: spec.ID, Name: spec.Name, Namespace: spec.Namespace, Description: spec.Description,
		Subjects: spec.Triggers, Timeout: callTimeout(spec, settings),
		MaxCalls: b.settings.Concurrency + b.settings.Queue, MaxBytes: maxCallBytes,
		Publisher: f.node.publisher, Logger: f.node.log,
	})
	b.desk, err = f.services.Desk(hostservice.DeskConfig{
		NATS: host, JetStream: place, Namespace: spec.Namespace, Workload: spec.Name, ID: spec.ID, MaxConcurrency: settings.MaxHostRequests,
	})
	return b, err
}

func callTimeout(spec workload.Spec, s config.Functions) time.Duration {
	if spec.CallTimeout > 0 {
		return spec.CallTimeout
	}
	return time.Duration(s.CallTimeoutMs) * time.Millisecond
}

// settings say how an agent runs the function.
func (f *functions) settings(spec workload.Spec, maxPayload int64) agentlink.Function {
	s := f.node.cfg.Settings
	usual := s.Functions.MaxConcurrency
	if usual == 0 {
		usual = f.processors(spec)
	}
	concurrency := spec.MaxConcurrency
	if concurrency == 0 {
		concurrency = usual
	}
	memory := f.node.memory(spec)
	return agentlink.Function{
		Concurrency: concurrency, Queue: s.Functions.QueueSize, Processors: f.processors(spec),
		// Beside its heap a function needs what belongs to its calls, and the agent itself.
		MemoryBytes: min(int64(s.Functions.MemoryMiB)<<20, memory/2), ProcessBytes: memory,
		MaxResultBytes: int(min(maxPayload, agentlink.MaxPayloadBytes)),
	}
}

// processors are those of the function's sandbox.
func (f *functions) processors(spec workload.Spec) int {
	cpus := float64(f.node.cfg.Settings.MachineTemplate.VCPUCount)
	if spec.CPUs > 0 {
		cpus = spec.CPUs
	}
	return max(1, min(int(math.Ceil(cpus)), runtime.NumCPU()))
}

// binding is what one function has on the node.
type binding struct {
	functions *functions
	spec      workload.Spec
	settings  agentlink.Function
	own       []*nats.Conn
	trigger   *trigger.Function
	desk      *hostservice.Desk
	closed    sync.Once
}

var _ workload.Function = (*binding)(nil)

func (b *binding) Settings() agentlink.Function { return b.settings }

func (b *binding) Host(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	return b.desk.Handle(ctx, r)
}

func (b *binding) Compiled(digest string) string {
	return b.functions.compiled.Get(b.spec.Namespace, digest)
}

func (b *binding) KeepCompiled(digest string, r io.Reader) error {
	return b.functions.compiled.Put(b.spec.Namespace, digest, r)
}

func (b *binding) Memory(bytes int64) { b.trigger.Memory(bytes) }

func (b *binding) Attach(link *linkhost.Link, digest string) error {
	err := b.trigger.Attach(link, digest)
	if err != nil && nex.CodeOf(err) == nex.CodeInternal {
		return nex.Errorf(nex.CodeStartFailed, "function %s could not be connected with its triggers: %v", b.spec.Name, err)
	}
	return err
}

func (b *binding) Detach(ctx context.Context) { b.trigger.Detach(ctx) }

func (b *binding) Drain(ctx context.Context) { b.trigger.Drain(ctx) }

func (b *binding) Stats() nex.CallStats { return b.trigger.Stats() }

func (b *binding) Close() {
	b.closed.Do(func() {
		if b.trigger != nil {
			b.trigger.Close()
		}
		if b.desk != nil {
			b.desk.Close()
		}
		for _, nc := range b.own {
			if err := nc.FlushTimeout(time.Second); err != nil {
				b.functions.node.log.Debug("connection of a function closed before it was flushed", "error", fmt.Sprint(err))
			}
			nc.Close()
		}
	})
}
