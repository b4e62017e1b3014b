package trigger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

// Who detaches waits for what has arrived; it is answered, and nothing comes after it.
func TestDetachDrains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := newHolder()
	f := r.attached(t, h)
	answered := make(chan *nats.Msg, 1)
	if _, err := r.client.ChanSubscribe("answers", answered); err != nil {
		t.Fatal(err)
	}
	if err := r.client.PublishRequest("js.echo", "answers", nil); err != nil {
		t.Fatal(err)
	}
	done := <-h.calls
	detached := make(chan struct{})
	go func() {
		defer close(detached)
		f.Detach(soon(t))
	}()
	nextest.Await(t, "nobody listens any more", func() bool { return r.node.NumSubscriptions() == 0 })
	if _, err := r.client.Request("js.echo", nil, nextest.Patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a call after that: %v, want %v", err, nats.ErrNoResponders)
	}
	select {
	case <-detached:
		t.Error("Detach returned before the call was answered")
	default:
	}
	done(agentlink.Answer{Payload: []byte("at last")})
	if m := receive(t, answered); string(m.Data) != "at last" {
		t.Errorf("answer = %q", m.Data)
	}
	<-detached
	f.Detach(over()) // again does nothing
}

func TestDetachGivesUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := newHolder()
	f := r.attached(t, h)
	if err := r.client.Publish("js.echo", nil); err != nil {
		t.Fatal(err)
	}
	done := <-h.calls
	f.Detach(over())
	done(agentlink.Answer{})
}

// A function that is started again goes on counting.
func TestAttachAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.attached(t, echo)
	r.request(t, "js.echo", "1")
	f.Detach(soon(t))
	if err := f.Attach(echo, "fedcba"); err != nil {
		t.Fatal(err)
	}
	r.request(t, "js.echo", "2")
	nextest.Await(t, "both calls are counted", func() bool { return f.Stats().Total == 2 })
}

// A connection that may not subscribe is found out when the function is deployed, not by its callers.
func TestAttachWithoutPermission(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "node", Password: "p", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Deny: []string{"js.>"}},
		}}}
	})
	r := &rig{server: s, node: natstest.Connect(t, s, nats.UserInfo("node", "p")), events: &events{}}
	r.services = trigger.NewServices(r.node)
	f := r.function(t, func(c *trigger.Config) { c.Subjects = []string{"a", "js.echo"} })
	err := f.Attach(echo, "")
	if nex.CodeOf(err) != nex.CodeTriggerDenied {
		t.Fatalf("Attach = %v, want code %s", err, nex.CodeTriggerDenied)
	}
	nextest.Await(t, "the other subject is given back", func() bool { return r.node.NumSubscriptions() == 0 })
	// Other functions of the connection are not refused for it.
	if err := r.function(t, func(c *trigger.Config) { c.Subjects = []string{"b"} }).Attach(echo, ""); err != nil {
		t.Errorf("Attach of another function = %v", err)
	}
}

// While the server is away a function can be attached; it answers when the server is back.
func TestAttachDuringOutage(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	port := s.Addr().String()
	node := natstest.Connect(t, s, nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), nats.ReconnectJitter(0, 0))
	s.Shutdown()
	nextest.Await(t, "the connection is lost", node.IsReconnecting)
	r := &rig{node: node, events: &events{}, services: trigger.NewServices(node)}
	r.attached(t, echo)

	again := natstest.Run(t, func(o *server.Options) { o.Port = portOf(t, port) })
	r.client = natstest.Connect(t, again)
	nextest.Await(t, "the function answers", func() bool {
		m, err := r.client.Request("js.echo", []byte("hello"), time.Second)
		return err == nil && string(m.Data) == "hello"
	})
}
