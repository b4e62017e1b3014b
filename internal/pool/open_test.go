package pool_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/pool"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 5} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, size)
			p := r.open()
			r.awaitIdle(p, size)
			if n := r.driver.Started(); n != size {
				t.Errorf("%d agents were started, want %d", n, size)
			}
			a, b := r.lease(p), r.lease(p)
			if a.ID == b.ID {
				t.Errorf("agent %s was leased twice", a.ID)
			}
			r.awaitIdle(p, size)
			if n := r.driver.Started(); n != size+2 {
				t.Errorf("%d agents were started, want %d", n, size+2)
			}
			if a.Hello.AgentID != a.ID || a.Instance.ID() != a.ID {
				t.Errorf("agent %s has hello %+v and sandbox %s", a.ID, a.Hello, a.Instance.ID())
			}
			a.Release()
			b.Release()
			if n := r.driver.Live(); n != size {
				t.Errorf("%d sandboxes are left, want %d", n, size)
			}
		})
	}
}

func TestOpenFailsWithTheFirstAgent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*rig)
		want string
	}{
		{
			"that does not start",
			func(r *rig) { r.driver.StartErr = func(int) error { return errors.New("there is no kernel") } },
			`^start agent: there is no kernel$`,
		}, {
			"that does not shake hands",
			func(r *rig) {
				r.config.HandshakeTimeout = 50 * time.Millisecond
				r.fleet.Script = func(int) linktest.Script { return linktest.Script{Hello: linktest.Silent} }
			},
			`: the agent did not shake hands within 50ms$`,
		}, {
			"that ends before its handshake",
			func(r *rig) {
				r.fleet.Script = func(int) linktest.Script {
					return linktest.Script{Hello: func(*linktest.Agent) bool { return false }}
				}
			},
			`^wait for handshake of agent \w+: the agent ended with status 1 before its handshake$`,
		}, {
			"of another version",
			func(r *rig) {
				r.fleet.Script = func(int) linktest.Script { return linktest.Script{Version: "0.0.1"} }
			},
			`^start agent: it is of version 0.0.1, this node of \S+: install nex and nex-agent of one version$`,
		}, {
			"because the link is down",
			func(r *rig) { r.config.Host.Close() },
			`^start agent: admit agent \w+: connect to internal NATS server: `,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 3)
			tt.edit(r)
			p, err := pool.Open(t.Context(), r.config)
			if err == nil {
				p.Close()
				t.Fatal("the pool was opened")
			}
			if !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
			if n := r.driver.Live(); n != 0 {
				t.Errorf("%d sandboxes are left, want none", n)
			}
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	r.fleet.Script = func(int) linktest.Script {
		return linktest.Script{Hello: func(a *linktest.Agent) bool {
			cancel(errors.New("the user has changed their mind"))
			return linktest.Silent(a)
		}}
	}
	p, err := pool.Open(ctx, r.config)
	if err == nil {
		p.Close()
		t.Fatal("the pool was opened")
	}
	if !regexp.MustCompile(`: the user has changed their mind$`).MatchString(err.Error()) {
		t.Errorf("error = %v", err)
	}
	if n := r.driver.Live(); n != 0 {
		t.Errorf("%d sandboxes are left, want none", n)
	}
}

// TestPoolOutlivesTheContextOfOpen is about a ctx that is for starting only.
func TestPoolOutlivesTheContextOfOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	p, err := pool.Open(ctx, r.config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	cancel()
	for range 3 {
		a, err := p.Lease(within(t, nextest.Patience))
		if err != nil {
			t.Fatal(err)
		}
		a.Release()
	}
}
