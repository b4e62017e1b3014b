package workload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

// issuer is whoever deploys in these tests.
const issuer = "ISSUER"

// rig is a Manager with agents that are played, on a real link and a real pool. A test may change
// what is exported, and the driver, before it calls open.
type rig struct {
	testing.TB
	*workload.Manager
	Config   workload.Config
	PoolSize int

	driver    *fake.Driver
	artifacts *artifacts
	functions *functions
	world     *world
	fleet     linktest.Fleet
	cache     string // directory
	pool      *pool.Pools
	left      bool // by the Manager, so that its workloads have no end

	mu      sync.Mutex
	scripts map[string]linktest.Script // by the name of the workload
	ids     atomic.Int64
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{TB: t, world: newWorld(), functions: newFunctions(), cache: filepath.Join(t.TempDir(), "cache"), scripts: map[string]linktest.Script{}}
	r.fleet.Script = r.script
	r.driver = &fake.Driver{OnStart: r.fleet.OnStart, Caps: sandbox.Capabilities{Driver: "fake", Level: nex.SandboxMicroVM, OS: "linux", Arch: "amd64", HostNetwork: true}}
	// A cache without room keeps a file only while it is in use.
	cache, err := artifact.Open(artifact.Config{Dir: r.cache, MaxBytes: 1, AllowFile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	r.artifacts = &artifacts{Cache: cache}
	r.Config = workload.Config{
		Artifacts: r.artifacts, Functions: r.functions, Publisher: r.world, Capabilities: r.driver.Caps, Logger: discard,
		Restart:     workload.Restart{First: time.Millisecond, Most: 4 * time.Millisecond},
		ReplyWithin: nextest.Patience,
	}
	return r
}

// start starts the Manager. When the test ends it is closed, and nothing may be left.
func (r *rig) start() *rig {
	r.Helper()
	var err error
	r.pool, err = pool.OpenPools(r.Context(), pool.Config{
		Driver: r.driver, Host: linktest.StartHost(r.TB), Size: r.PoolSize, Logger: r.Config.Logger,
		HandshakeTimeout: nextest.Patience, PingTimeout: nextest.Patience,
	}, nex.WorkloadTypes)
	if err != nil {
		r.Fatal(err)
	}
	if r.Config.Agents == nil {
		r.Config.Agents = r.pool
	}
	if r.Manager, err = workload.NewManager(r.Config); err != nil {
		r.pool.Close()
		r.Fatal(err)
	}
	r.Cleanup(r.end)
	return r
}

func (r *rig) end() {
	r.Manager.Close()
	if !r.left {
		r.world.checkLives(r)
		if n := r.Active(); n != 0 {
			r.Errorf("%d workloads are active after Close", n)
		}
		r.checkReleased()
		r.checkFunctions()
	}
	r.pool.Close()
	if n := r.driver.Live(); n != 0 {
		r.Errorf("%d sandboxes are left", n)
	}
}

// abandon ends the agent that a Manager that has left leaves.
func (r *rig) abandon(agentID string) {
	r.Helper()
	if err := r.driver.Instance(agentID).Destroy(r.Context()); err != nil {
		r.Error(err)
	}
	r.left = true
}

// checkReleased checks that no workload holds bytes or an artifact.
func (r *rig) checkReleased() {
	r.Helper()
	if n := r.Reserved(); n != 0 {
		r.Errorf("%d bytes are reserved for workloads that have ended", n)
	}
	nextest.Await(r, "no artifact is in use", func() bool { // the cache removes them a little later
		files, err := filepath.Glob(filepath.Join(r.cache, strings.Repeat("?", 64)))
		return err == nil && len(files) == 0
	})
}

// script is how each agent behaves: as the workload that it is given.
func (r *rig) script(int) linktest.Script {
	var name atomic.Pointer[string]
	of := func() linktest.Script {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.scripts[*name.Load()]
	}
	return linktest.Script{
		Deploy: func(a *linktest.Agent, d agentlink.Deploy) agentlink.DeployReply {
			name.Store(&d.Name)
			if s := of(); s.Deploy != nil {
				return s.Deploy(a, d)
			}
			return agentlink.DeployReply{PID: 1}
		},
		Undeploy: func(a *linktest.Agent, u agentlink.Undeploy) agentlink.Exited {
			if s := of(); s.Undeploy != nil {
				return s.Undeploy(a, u)
			}
			return agentlink.Exited{Exit: linktest.Terminated}
		},
		Trigger: func(a *linktest.Agent, t agentlink.Trigger, answer func(agentlink.Answer)) {
			if s := of(); s.Trigger != nil {
				s.Trigger(a, t, answer)
				return
			}
			answer(agentlink.Answer{Payload: t.Payload})
		},
	}
}

// play says how the program of that name behaves.
func (r *rig) play(name string, s linktest.Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scripts[name] = s
}

// exits plays a program that ends at once.
func exits(exit nex.Exit) linktest.Script {
	return linktest.Script{Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
		a.Exit(exit)
		return agentlink.DeployReply{PID: 1}
	}}
}

// spec is a workload of this name, whose artifact has at least so many bytes.
func (r *rig) spec(name string, size ...int) workload.Spec {
	r.Helper()
	content := executable()
	if len(size) > 0 {
		content = append(content, make([]byte, size[0]-len(content))...)
	}
	path := filepath.Join(r.TempDir(), "program")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return workload.Spec{
		ID: fmt.Sprintf("w%d", r.ids.Add(1)), Name: name, Namespace: "default", Type: nex.TypeNative, Issuer: issuer,
		Location: nex.Location{Scheme: nex.SchemeFile, Path: path}, Digest: hex.EncodeToString(sum[:]),
	}
}

// executable is the least that passes for a program on linux/amd64.
func executable() []byte {
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: 0x401000, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var b bytes.Buffer
	for _, part := range []any{h, elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: 64}} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// deploy deploys and expects the workload to run, or to have run.
func (r *rig) deploy(s workload.Spec) {
	r.Helper()
	state, err := r.Deploy(r.Context(), s)
	if err != nil {
		r.Fatalf("deploy %s: %v", s.Name, err)
	}
	if state == nex.StateStarting {
		r.Fatalf("deploy %s: it is still starting", s.Name)
	}
}

// stop stops a workload.
func (r *rig) stop(s workload.Spec) {
	r.Helper()
	if err := r.Stop(r.Context(), s.Namespace, s.ID, s.Name, s.Issuer, time.Minute); err != nil {
		r.Fatalf("stop %s: %v", s.Name, err)
	}
}

// goStop stops a workload in a goroutine.
func (r *rig) goStop(s workload.Spec, grace time.Duration) <-chan error {
	c := make(chan error, 1)
	go func() { c <- r.Stop(r.Context(), s.Namespace, s.ID, s.Name, s.Issuer, grace) }()
	return c
}

// status is what the Manager says of a workload; nil if it is not known.
func (r *rig) status(s workload.Spec) *workload.Status {
	for _, st := range r.List("") {
		if st.Spec.ID == s.ID {
			return &st
		}
	}
	return nil
}

// artifacts is a real cache in which things can be made to go wrong.
type artifacts struct {
	*artifact.Cache
	// UnknownSize hides what Check finds out.
	UnknownSize bool
	// OnCheck and OnFetch are called first, and may wait or fail.
	OnCheck, OnFetch func(context.Context) error
}

func (a *artifacts) Check(ctx context.Context, ref artifact.Ref) (int64, error) {
	if a.OnCheck != nil {
		if err := a.OnCheck(ctx); err != nil {
			return 0, err
		}
	}
	if a.UnknownSize {
		return -1, nil
	}
	return a.Cache.Check(ctx, ref)
}

func (a *artifacts) Fetch(ctx context.Context, ref artifact.Ref) (*artifact.File, error) {
	if a.OnFetch != nil {
		if err := a.OnFetch(ctx); err != nil {
			return nil, err
		}
	}
	return a.Cache.Fetch(ctx, ref)
}

// hold returns an OnFetch that waits until it is let go.
func hold() (wait func(context.Context) error, reached <-chan struct{}, let chan<- error) {
	in, out := make(chan struct{}, 100), make(chan error)
	return func(ctx context.Context) error {
		in <- struct{}{}
		select {
		case err := <-out:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, in, out
}
