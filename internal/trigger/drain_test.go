package trigger_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/trigger"
)

// A function that drains answers what has arrived; what comes is for the other members of the queue
// group. Detach, and Drain again, wait for the same calls.
func TestDrain(t *testing.T) {
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
	waits := make(chan string, 3)
	for what, wait := range map[string]func(){
		"Drain": func() { f.Drain(soon(t)) }, "Drain again": func() { f.Drain(soon(t)) }, "Detach": func() { f.Detach(soon(t)) },
	} {
		go func() {
			wait()
			waits <- what
		}()
	}
	nextest.Await(t, "nobody listens any more", func() bool { return r.node.NumSubscriptions() == 0 })
	if _, err := r.client.Request("js.echo", nil, nextest.Patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a call after that: %v, want %v", err, nats.ErrNoResponders)
	}
	f.Drain(over())
	select {
	case what := <-waits:
		t.Errorf("%s returned before the call was answered", what)
	default:
	}
	done(agentlink.Answer{Payload: []byte("at last")})
	if m := receive(t, answered); string(m.Data) != "at last" {
		t.Errorf("answer = %q", m.Data)
	}
	for range cap(waits) {
		<-waits
	}
}

// A function that has drained stays so, whatever becomes of its agent.
func TestAttachAfterDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := r.function(t)
	f.Drain(soon(t))
	if err := f.Attach(echo, "0123"); err != nil {
		t.Fatal(err)
	}
	if n := r.node.NumSubscriptions(); n != 0 {
		t.Errorf("%d subscriptions of a function that has drained", n)
	}
	f.Detach(soon(t))
}

// While agents come and go, nothing is subscribed any more once Drain has returned and the last of
// them is attached.
func TestDrainWhileAttaching(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 50 {
		f := r.function(t, func(c *trigger.Config) { c.ID = nats.NewInbox() })
		attached := make(chan error, 1)
		go func() { attached <- f.Attach(echo, "0123") }()
		if i%2 == 0 {
			<-attached
			attached <- nil
		}
		f.Drain(soon(t))
		if err := <-attached; err != nil {
			t.Fatal(err)
		}
		f.Detach(soon(t))
		nextest.Await(t, "nobody listens any more", func() bool { return r.node.NumSubscriptions() == 0 })
	}
}

// One member of a queue group drains after the other under load: no call is lost, and none runs twice.
func TestDrainLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ran := make(chan string, 10000)
	agent := agentFunc(func(c agentlink.Trigger, done func(agentlink.Answer)) {
		ran <- string(c.Payload)
		done(agentlink.Answer{Payload: c.Payload})
	})
	const members, calls = 5, 5000
	var functions []*trigger.Function
	for range members {
		functions = append(functions, r.attached(t, agent, func(c *trigger.Config) { c.ID, c.MaxCalls = nats.NewInbox(), calls }))
	}
	answers := make(chan *nats.Msg, calls)
	inbox := r.client.NewInbox()
	if _, err := r.client.ChanSubscribe(inbox, answers); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	for i := range calls {
		if err := r.client.PublishRequest("js.echo", inbox, []byte{byte(i), byte(i >> 8)}); err != nil {
			t.Fatal(err)
		}
		if i%(calls/members) == calls/members/2 && len(functions) > 1 {
			f := functions[0]
			functions = functions[1:]
			go func() {
				f.Drain(soon(t))
				drained <- struct{}{}
			}()
		}
	}
	for range members - 1 {
		<-drained
	}
	seen := map[string]bool{}
	for range calls {
		seen[string(receive(t, answers).Data)] = true
	}
	if len(seen) != calls || len(ran) != calls {
		t.Errorf("%d of %d calls were answered, and %d ran", len(seen), calls, len(ran))
	}
}
