package node_test

import (
	"net"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

func TestTriggersThatAreDenied(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.DenyTriggerSubjects = []string{"private.>"} })
	for _, subject := range []string{"$SYS.x", "$NEX.PING", "$JS.API.INFO", "_INBOX.>", ">", "private.part", "*.part"} {
		_, err := r.client.Deploy(t.Context(), r.js("bad", subject, echoSource))
		if nex.CodeOf(err) != nex.CodeTriggerDenied || !strings.Contains(err.Error(), subject) {
			t.Errorf("deploy with trigger %s: %v (%s), want code %s", subject, err, nex.CodeOf(err), nex.CodeTriggerDenied)
		}
	}
	r.unharmed()
}

// TestTriggersThatTheServerDenies shows that a function is not said to answer where it may not listen.
func TestTriggersThatTheServerDenies(t *testing.T) {
	t.Parallel()
	second := newSecond(t, func(c *jwt.UserClaims) { c.Sub.Deny.Add("private.>") })
	r := start(t)
	body := r.signedWith(r.js("echo", "private.echo", echoSource), second.triggers)
	r.refused(nex.OpDeploy, r.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeTriggerDenied, "private.echo")
	r.unharmed()
}

// TestOverlappingTriggers shows that a message which two triggers of a function match is one call.
func TestOverlappingTriggers(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.js("echo", "over.>", echoSource)
	d.Triggers = append(d.Triggers, "over.*", "over.there", "other")
	id := r.deploy(d)
	answers := r.sendCalls("over.there", 20)
	for range 20 {
		r.next(answers)
	}
	r.gives("other", "hey", "hey") // comes after what the others may have caused
	if m, _ := r.workload(id); m.Calls.Total != 21 {
		t.Errorf("%d calls for 21 messages", m.Calls.Total)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestTooManyCalls shows that what is too much is refused at once, and the rest answered.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency, s.Functions.QueueSize = 1, 2 })
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	answers := r.sendCalls("gated", 10)
	for range 7 {
		r.failed(r.next(answers), 503, "3 calls under way")
	}
	for range 3 {
		open := g.await()
		r.seen(g.sub, 0) // one at a time
		open()
		if m := r.next(answers); string(m.Data) != "hey" {
			t.Errorf("answer = %q with %v", m.Data, m.Header)
		}
	}
	m, _ := r.workload(id)
	if c := m.Calls; c == nil || c.Total != 10 || c.Errors != 7 || c.Refused != 7 || c.InFlight != 0 {
		t.Errorf("calls = %+v", c)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// TestStopAnswersWhatHasArrived shows that a stop waits for the calls under way, takes no more, and
// loses none.
func TestStopAnswersWhatHasArrived(t *testing.T) {
	t.Parallel()
	r := start(t, patient, func(s *setup) { s.Functions.MaxConcurrency = 2 })
	d := r.js("gated", "gated", gated)
	id := r.deploy(d)
	g := r.gate()
	answers := r.sendCalls("gated", 5)
	open := []func(){g.await(), g.await()}
	stopped := make(chan struct{})
	stopping := r.stopping(d, id)
	stopping.Grace = inTime
	go func() {
		defer close(stopped)
		if _, err := r.client.Stop(t.Context(), stopping); err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	nextest.Await(t, "no more calls are taken", func() bool { return !r.server.GlobalAccount().SubscriptionInterest("gated") })
	for range 3 {
		open[0]()
		open = append(open[1:], g.await())
	}
	for _, o := range open {
		o()
	}
	for range 5 {
		if m := r.next(answers); string(m.Data) != "hey" {
			t.Errorf("answer = %q with %v", m.Data, m.Header)
		}
	}
	<-stopped
	r.unharmed()
}

// TestTriggersElsewhere shows that a function can be called on another server than the node's, also
// after that one was away.
func TestTriggersElsewhere(t *testing.T) {
	t.Parallel()
	second := newSecond(t)
	r := start(t)
	d := r.js("echo", "js.echo", echoSource)
	id := r.deployWith(d, second.triggers)
	there := *r
	there.nc = second.connect(nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait))
	there.gives("js.echo", "hey", "hey")
	if _, err := r.nc.Request("js.echo", nil, patience); err != nats.ErrNoResponders {
		t.Errorf("call on the node's own server: %v, want %v", err, nats.ErrNoResponders)
	}
	second.restart()
	there.eventuallyGives("js.echo", "again", "again")
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times", n)
	}
	r.undeploy(d, id)
	if _, err := there.nc.Request("js.echo", nil, patience); err != nats.ErrNoResponders {
		t.Errorf("call after the stop: %v, want %v", err, nats.ErrNoResponders)
	}
	r.unharmed()
}

// TestConnectionsThatCannotBeMade shows that who deploys is told which, and that nothing is left of the
// other.
func TestConnectionsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	second := newSecond(t)
	stranger := second.connection()
	stranger.UserSeed = seed(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := &nex.Connection{URL: "nats://" + closed.Addr().String()}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t)
	for _, c := range []struct {
		name   string
		change func(*nex.DeployRequest)
		text   string
	}{
		{"triggers", func(q *nex.DeployRequest) { q.TriggerConnection = nobody }, "the connection for the triggers of echo could not be made"},
		{"host services", func(q *nex.DeployRequest) { q.TriggerConnection, q.HostServices = second.connection(), nobody }, "the connection for the host services of echo could not be made"},
		{"no right", func(q *nex.DeployRequest) { q.TriggerConnection = stranger }, "refuses the user JWT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			body := in.signedWith(in.js("echo", "js.echo", echoSource), c.change)
			in.refused(nex.OpDeploy, in.send(nex.OpDeploy, nex.DefaultNamespace, body), nex.CodeConnectionFailed, c.text)
			if strings.Contains(in.log.String(), stranger.UserSeed) || strings.Contains(in.log.String(), second.seed) {
				t.Error("the node's log has a seed")
			}
			in.clean()
		})
	}
	nextest.Await(t, "no connection is left", func() bool { return second.server.NumClients() == 0 })
	r.unharmed()
}
