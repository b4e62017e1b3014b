package workload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// succession is a node's processes, one after the other, whose sandboxes and agents outlive each.
type succession struct {
	t       *testing.T
	dir     string // of the agents' sockets
	secret  byte   // of the processes that come
	driver  *fake.Lasting
	fleet   linktest.Fleet
	records *records
}

func newSuccession(t *testing.T) *succession {
	s := &succession{t: t, dir: t.TempDir(), records: newRecords()}
	s.fleet.Script = func(int) linktest.Script { return linktest.Script{Survives: true} }
	s.driver = &fake.Lasting{Driver: fake.Driver{
		OnStart: s.fleet.OnStart,
		Caps:    sandbox.Capabilities{Driver: "fake", Level: nex.SandboxMicroVM, OS: "linux", Arch: "amd64", HostNetwork: true},
	}}
	return s
}

// process is one of them: a rig that is ended by leave, or with the test.
type process struct {
	*rig
	line *succession
	host *linkhost.Host
}

// process starts the next process, which takes over what the one before has left. An edit changes it before.
func (s *succession) process(edit func(*rig)) *process {
	s.t.Helper()
	r := newRig(s.t)
	r.Config.Store, r.Config.Capabilities = s.records, s.driver.Caps
	if edit != nil {
		edit(r)
	}
	host, err := linkhost.Start(linkhost.Config{NodeID: "NODE", Dir: s.dir, Secret: bytes.Repeat([]byte{s.secret}, sha256.Size), Logger: discard})
	if err != nil {
		s.t.Fatal(err)
	}
	r.pool = pool.NewPools(pool.Config{Driver: s.driver, Host: host, Logger: discard, HandshakeTimeout: nextest.Patience}, nex.WorkloadTypes)
	r.Config.Agents = r.pool
	if r.Manager, err = workload.NewManager(r.Config); err != nil {
		s.t.Fatal(err)
	}
	p := &process{rig: r, line: s, host: host}
	r.Restore(s.t.Context(), s.records.all())
	r.Resume()
	return p
}

// leave ends the process, and leaves what runs to the next one.
func (p *process) leave() {
	p.Leave()
	p.pool.Close()
	p.host.Leave()
	p.line.driver.Leave()
}

// end ends the last process, and all with it.
func (p *process) end() {
	p.Manager.Close()
	p.pool.Close()
	p.host.Close()
	if n := p.line.driver.Live(); n != 0 {
		p.Errorf("%d sandboxes are left", n)
	}
	p.checkReleased()
}

// What a function that was taken over is connected with may be away for a while: it is no reason to end it.
func TestTakenOverFunctionIsConnectedLater(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	first := s.process(nil)
	fn := first.function("fn")
	first.deploy(fn)
	agent := s.fleet.Of(fn.ID)
	first.leave()

	second := s.process(func(r *rig) {
		r.functions.OnAttach = func(n int) error {
			if n < 3 {
				return nex.Errorf(nex.CodeStartFailed, "NATS is away")
			}
			return nil
		}
	})
	defer second.end()
	second.world.awaitState(t, fn.ID, nex.StateRunning, 1)
	if path := second.world.path(fn.ID); len(path) != 1 {
		t.Errorf("path = %q, want that it runs", path)
	}
	if s.fleet.Of(fn.ID) != agent || s.driver.Live() != 1 {
		t.Error("it runs on another agent")
	}
}

// A process that ends before it could connect what it has taken over leaves that to the next one.
func TestLeaveBeforeItIsConnected(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	first := s.process(nil)
	fn := first.function("fn")
	first.deploy(fn)
	agent := s.fleet.Of(fn.ID)
	first.leave()

	tried := make(chan struct{}, 1)
	second := s.process(func(r *rig) {
		r.functions.OnOpen = func(context.Context) error {
			select {
			case tried <- struct{}{}:
			default:
			}
			return nex.Errorf(nex.CodeStartFailed, "NATS is away")
		}
	})
	<-tried
	second.leave()
	if n := s.driver.Live(); n != 1 {
		t.Fatalf("%d sandboxes are left, want the one", n)
	}

	third := s.process(nil)
	defer third.end()
	third.world.awaitState(t, fn.ID, nex.StateRunning, 1)
	if path := third.world.path(fn.ID); len(path) != 1 || s.fleet.Of(fn.ID) != agent {
		t.Errorf("path = %q, want that it runs on the same agent", path)
	}
}

// A process that is refused what a function asks for does not try for ever.
func TestTakenOverFunctionIsDenied(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	first := s.process(nil)
	fn := first.function("fn")
	first.deploy(fn)
	first.leave()
	second := s.process(func(r *rig) {
		r.Config.Restart.MaxStarts = 3
		r.functions.OnAttach = func(int) error { return nex.Errorf(nex.CodeTriggerDenied, "not this subject") }
	})
	defer second.end()
	second.world.awaitState(t, fn.ID, nex.StateFailed, 1)
}

// An agent that does not come back keeps no process from ending.
func TestLeaveBeforeItIsBack(t *testing.T) {
	t.Parallel()
	s := newSuccession(t)
	first := s.process(nil)
	service := first.spec("service")
	first.deploy(service)
	first.leave()

	s.secret++ // which its agent does not believe
	second := s.process(nil)
	left := make(chan struct{})
	go func() {
		second.leave()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(30 * time.Second): // half of what it would be waited for
		t.Fatal("the process waits for an agent that does not come")
	}
	if n := s.driver.Live(); n != 1 {
		t.Fatalf("%d sandboxes are left, want the one", n)
	}

	s.secret--
	third := s.process(nil)
	defer third.end()
	third.world.awaitState(t, service.ID, nex.StateRunning, 1)
}
