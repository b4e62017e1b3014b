package workload_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// chaos is a source of things that happen. It is safe for concurrent use.
type chaos struct {
	mu   sync.Mutex
	rand *rand.Rand
}

// one reports true once in n times.
func (c *chaos) one(n int) bool { return c.below(n) == 0 }

func (c *chaos) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

// soon is a short time.
func (c *chaos) soon() time.Duration { return time.Duration(c.below(8000)) * time.Microsecond }

// pause takes a short time, or as long as ctx.
func (c *chaos) pause(ctx context.Context) error {
	select {
	case <-time.After(c.soon()):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errChaos = errors.New("as it happens")

// script is an agent to which anything can happen at any time.
func (c *chaos) script() linktest.Script {
	return linktest.Script{
		Deploy: func(a *linktest.Agent, _ agentlink.Deploy) agentlink.DeployReply {
			switch c.below(10) {
			case 0:
				return agentlink.DeployReply{Error: errChaos.Error()}
			case 1:
				a.Die(nex.Exit{Code: 1})
			case 2:
				a.Exit(nex.Exit{}) // with the answer
			case 3, 4:
				time.AfterFunc(c.soon(), func() { a.Die(nex.Exit{Code: -1, Signal: "SIGKILL"}) })
			case 5, 6, 7:
				time.AfterFunc(c.soon(), func() { a.Exit(nex.Exit{Code: c.below(2)}) })
			}
			return agentlink.DeployReply{PID: 1}
		},
		Undeploy: func(a *linktest.Agent, _ agentlink.Undeploy) agentlink.Exited {
			_ = a.Print("goodbye")
			if c.one(5) {
				a.Die(nex.Exit{Code: 1})
			}
			return agentlink.Exited{Exit: linktest.Terminated}
		},
	}
}

// upset makes the parts of a rig fail now and then.
func (c *chaos) upset(r *rig) {
	fail := func(ctx context.Context) error {
		if err := c.pause(ctx); err != nil {
			return err
		}
		if c.one(15) {
			return errChaos
		}
		return nil
	}
	r.artifacts.OnCheck, r.artifacts.OnFetch = fail, fail
	r.driver.OnStage = func(ctx context.Context, _ *fake.Instance, _ sandbox.Purpose, _ string) error { return fail(ctx) }
	r.driver.StartErr = func(n int) error {
		if n > 4 && c.one(15) {
			return errChaos
		}
		return nil
	}
}

// live deploys a workload, lets it go through some of its life, and may stop it.
func (c *chaos) live(r *rig, s workload.Spec) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if c.one(5) {
		time.AfterFunc(c.soon(), cancel)
	}
	stopped := make(chan error, 2)
	stops := c.below(3)
	for range stops {
		go func() {
			_ = c.pause(context.Background())
			stopped <- r.Stop(context.Background(), s.Namespace, s.ID, s.Name, s.Issuer, 20*time.Millisecond)
		}()
	}
	if _, err := r.Deploy(ctx, s); err != nil && nex.CodeOf(err) == "" {
		r.Errorf("deploy: %v has no code", err)
	}
	succeeded := 0
	for range stops {
		if err := <-stopped; err == nil {
			succeeded++
		} else if err != nex.ErrWorkloadNotFound {
			r.Errorf("stop: %v", err)
		}
	}
	if succeeded > 1 {
		r.Errorf("%d stops of workload %s succeeded, want at most one", succeeded, s.ID)
	}
}

// TestChaos deploys and stops while everything fails that can. What must hold all the same is checked
// by checkLives, and by the rig in the end.
func TestChaos(t *testing.T) {
	t.Parallel()
	for range 4 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			const most = 12
			c := &chaos{rand: rand.New(rand.NewPCG(seed, 0))}
			r := newRig(t)
			r.PoolSize = 3
			r.Config.Limits = workload.Limits{Workloads: most, TotalBytes: 1 << 20, WorkloadBytes: 1 << 20}
			r.Config.Restart.MaxStarts = 4
			r.Config.ReplyWithin = 5 * time.Millisecond
			for i := range 50 {
				r.play(fmt.Sprintf("prog%d", i), c.script())
			}
			c.upset(r)
			r.start()
			specs := make([]workload.Spec, 100)
			for i := range specs {
				specs[i] = r.spec(fmt.Sprintf("prog%d", i%50))
				specs[i].Essential = c.one(2)
			}
			var wg sync.WaitGroup
			for i := range most + 2 {
				wg.Go(func() {
					for j := i; j < len(specs); j += most + 2 {
						c.live(r, specs[j])
						if n := r.Active(); n > most {
							t.Errorf("%d workloads are active, want at most %d", n, most)
						}
					}
				})
			}
			wg.Wait()
			if c.one(2) {
				return // and close it with what runs
			}
			nextest.Await(t, "the rest ends by itself or is stopped", func() bool {
				for _, s := range r.List("") {
					if !s.State.Ended() {
						_ = r.Stop(t.Context(), s.Spec.Namespace, s.Spec.ID, s.Spec.Name, s.Spec.Issuer, time.Millisecond)
					}
				}
				return r.Active() == 0
			})
		})
	}
}
