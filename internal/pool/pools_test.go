package pool_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

// kinds is a rig whose sandboxes can have a network and images, and what they were started with.
type kinds struct {
	*rig
	mu    sync.Mutex
	specs map[string]sandbox.Spec // by id
}

func newKinds(t testing.TB, size int) *kinds {
	k := &kinds{rig: newRig(t, size), specs: make(map[string]sandbox.Spec)}
	k.driver.Caps = sandbox.Capabilities{Driver: "fake", Level: nex.SandboxGVisor, OS: "linux", Arch: "amd64", Network: true, Images: true}
	k.driver.OnStart = func(spec sandbox.Spec, i *fake.Instance) {
		k.mu.Lock()
		k.specs[spec.ID] = spec
		k.mu.Unlock()
		k.fleet.OnStart(spec, i)
	}
	return k
}

func (k *kinds) openAll(types ...nex.WorkloadType) *pool.Pools {
	k.Helper()
	p, err := pool.OpenPools(k.Context(), k.config, types)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() {
		p.Close()
		if n := k.driver.Live(); n != 0 {
			k.Errorf("%d sandboxes are left, want none", n)
		}
	})
	return p
}

func (k *kinds) spec(id string) sandbox.Spec {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.specs[id]
}

// lease leases what is needed and releases it when the test ends.
func (k *kinds) lease(p *pool.Pools, need pool.Need) *pool.Agent {
	k.Helper()
	a, err := p.Lease(k.Context(), need)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(a.Release)
	return a
}

// Services get an agent with a network and functions one without; both kinds wait ahead of need.
func TestKindsOfAgents(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 2)
	p := k.openAll(nex.WorkloadTypes...)
	nextest.Await(t, "the pools are full", func() bool { return p.Idle() == 4 })
	for _, network := range []bool{true, false} {
		if s := k.spec(k.lease(p, pool.Need{Network: network}).ID); s.Network != network || s.Rootfs != "" || s.LinkDir == "" {
			t.Errorf("with network %t the sandbox is %+v", network, s)
		}
	}
	// What played agents say that they run, and images.
	if got, want := p.Types(), []nex.WorkloadType{nex.TypeNative, nex.TypeOCI}; !slices.Equal(got, want) {
		t.Errorf("types = %v, want %v", got, want)
	}
}

// Where sandboxes share the machine's network, one pool serves both.
func TestOneKindOfAgents(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	k.driver.Caps.HostNetwork = true
	p := k.openAll(nex.TypeNative)
	nextest.Await(t, "the pool is full", func() bool { return p.Idle() == 1 })
	k.lease(p, pool.Need{Network: true})
	k.lease(p, pool.Need{})
	nextest.Await(t, "the pool is full", func() bool { return p.Idle() == 1 })
	if n := k.driver.Started(); n != 3 {
		t.Errorf("%d agents were started, want 3", n)
	}
}

// A node that runs functions only, or can give no network, has no agents with one.
func TestNoServices(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*kinds) []nex.WorkloadType{
		"not wanted": func(*kinds) []nex.WorkloadType { return []nex.WorkloadType{nex.TypeV8, nex.TypeWasm} },
		"no network": func(k *kinds) []nex.WorkloadType {
			k.driver.Caps.Network = false
			return nex.WorkloadTypes
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKinds(t, 1)
			p := k.openAll(change(k)...)
			k.lease(p, pool.Need{})
			if _, err := p.Lease(t.Context(), pool.Need{Network: true}); nex.CodeOf(err) != nex.CodeNoAgent {
				t.Errorf("Lease for a service = %v, want code %s", err, nex.CodeNoAgent)
			}
			if types := p.Types(); slices.Contains(types, nex.TypeNative) || slices.Contains(types, nex.TypeOCI) {
				t.Errorf("types = %v, want no services", types)
			}
		})
	}
}

// The sandbox has the settings of the workload when it is leased; equal ones cost nothing.
func TestSettings(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	k.config.Settings = sandbox.Settings{Limits: sandbox.Limits{MemoryBytes: 1 << 28, CPUs: 1}}
	configured := 0
	k.driver.OnConfigure = func(*fake.Instance, sandbox.Settings) error {
		configured++
		return nil
	}
	p := k.openAll(nex.TypeV8)
	k.lease(p, pool.Need{Settings: k.config.Settings})
	if configured != 0 {
		t.Error("a sandbox was configured that had the settings already")
	}
	want := sandbox.Settings{Limits: sandbox.Limits{MemoryBytes: 1 << 29, CPUs: 0.5}, Egress: nex.Egress{Deny: []string{"*"}}}
	a := k.lease(p, pool.Need{Settings: want})
	if got := k.driver.Instance(a.ID).Settings(); configured != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("the sandbox has %+v, want %+v", got, want)
	}
	k.driver.OnConfigure = nil
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	k.driver.OnConfigure = func(*fake.Instance, sandbox.Settings) error { return errors.New("no such limit") }
	p := k.openAll(nex.TypeV8)
	_, err := p.Lease(t.Context(), pool.Need{Settings: sandbox.Settings{Limits: sandbox.Limits{CPUs: 1}}})
	if nex.CodeOf(err) != nex.CodeStartFailed {
		t.Errorf("Lease = %v, want code %s", err, nex.CodeStartFailed)
	}
	nextest.Await(t, "the agent is gone", func() bool { return k.driver.Live() == p.Idle() })
}

// For an image an agent is started in its root, whatever waits.
func TestImages(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	p := k.openAll(nex.TypeOCI)
	if n := k.driver.Started(); n != 0 {
		t.Errorf("%d agents wait for images, want none", n)
	}
	need := pool.Need{Network: true, Rootfs: "/images/one", Settings: sandbox.Settings{Limits: sandbox.Limits{CPUs: 2}}}
	a := k.lease(p, need)
	if s := k.spec(a.ID); s.Rootfs != need.Rootfs || !s.Network || !reflect.DeepEqual(s.Settings, need.Settings) {
		t.Errorf("the sandbox is %+v, want %+v", s, need)
	}
	p.Close()
	if _, err := p.Lease(t.Context(), need); nex.CodeOf(err) != nex.CodeNoAgent {
		t.Errorf("Lease of closed pools = %v, want code %s", err, nex.CodeNoAgent)
	}
}

// The pools do not open when agents of one kind do not come up.
func TestKindThatDoesNotStart(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	k.driver.StartErr = func(n int) error {
		if n > 1 {
			return errors.New("no network")
		}
		return nil
	}
	p, err := pool.OpenPools(t.Context(), k.config, nex.WorkloadTypes)
	if err == nil {
		p.Close()
		t.Fatal("the pools are open")
	}
	if n := k.driver.Live(); n != 0 {
		t.Errorf("%d sandboxes are left, want none", n)
	}
}

// Pools whose agents do not come up at first fill themselves when they are told to.
func TestKindThatStartsLater(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 1)
	k.driver.StartErr = func(n int) error {
		if n <= 2 {
			return errors.New("the disk is full")
		}
		return nil
	}
	p := pool.NewPools(k.config, nex.WorkloadTypes)
	defer p.Close()
	if err := p.Start(t.Context()); err == nil {
		t.Fatal("Start = nil")
	}
	p.Fill()
	nextest.Await(t, "agents of both kinds are idle", func() bool { return p.Idle() == 2 })
}

// Agents for images are started a few at a time, and an end of the wait ends it.
func TestImagesAtOnce(t *testing.T) {
	t.Parallel()
	const leases = 12
	k := newKinds(t, 0)
	var mu sync.Mutex
	starting, most := 0, 0
	let := make(chan struct{})
	k.fleet.Script = func(int) linktest.Script {
		return linktest.Script{Hello: func(*linktest.Agent) bool {
			mu.Lock()
			starting++
			most = max(most, starting)
			mu.Unlock()
			<-let
			mu.Lock()
			starting--
			mu.Unlock()
			return true
		}}
	}
	p := k.openAll(nex.TypeOCI)
	var group sync.WaitGroup
	for range leases {
		group.Go(func() {
			a, err := p.Lease(t.Context(), pool.Need{Network: true, Rootfs: "/images/one"})
			if err != nil {
				t.Error(err)
				return
			}
			a.Release()
		})
	}
	nextest.Await(t, "some are being started", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return starting >= 4
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Lease(ctx, pool.Need{Network: true, Rootfs: "/images/one"}); nex.CodeOf(err) != nex.CodeNoAgent {
		t.Errorf("Lease that nobody waits for = %v, want code %s", err, nex.CodeNoAgent)
	}
	close(let)
	group.Wait()
	if most > 4 {
		t.Errorf("%d agents were started at one time, want 4 at most", most)
	}
}

// A sandbox that does not end at first is ended again.
func TestSandboxThatDoesNotEndAtFirst(t *testing.T) {
	t.Parallel()
	k := newKinds(t, 0)
	tries := 0
	k.driver.OnDestroy = func(context.Context, *fake.Instance) error {
		if tries++; tries == 1 {
			return errors.New("interface is busy")
		}
		return nil
	}
	p := k.openAll(nex.TypeV8)
	k.lease(p, pool.Need{}).Release()
	nextest.Await(t, "the sandbox has ended", func() bool { return k.driver.Live() == 0 })
}
