package control_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
	"github.com/nex-engine/nex/internal/workload"
)

// stuck are deploys that last until ctx ends or open is closed. Each says on entered that it has begun.
func stuck(entered chan<- string, open <-chan struct{}) func(context.Context, workload.Spec) (nex.State, error) {
	return func(ctx context.Context, spec workload.Spec) (nex.State, error) {
		entered <- spec.ID
		select {
		case <-open:
			return nex.StateRunning, nil
		case <-ctx.Done():
			return nex.StateStarting, nil
		}
	}
}

// send publishes n deploys whose answers come to the subscription.
func (r *rig) send(n int) *nats.Subscription {
	r.t.Helper()
	inbox := r.nc.NewInbox()
	answers := r.subscribe(inbox)
	for range n {
		if err := r.nc.PublishRequest(r.subject(nex.OpDeploy), inbox, encode(r.t, r.deployment())); err != nil {
			r.t.Fatal(err)
		}
	}
	return answers
}

// However many deploys are slow, everything else is answered, stops included.
func TestSlowDeploysDoNotBlock(t *testing.T) {
	t.Parallel()
	const deploys = 300
	entered, open := make(chan string, deploys), make(chan struct{})
	r := newRig(t, func(r *rig) { r.work.deploy = stuck(entered, open) })
	answers := r.send(deploys)
	for range control.MaxInProgress {
		<-entered
	}
	for _, subject := range []string{"$NEX.PING", "$NEX.PING." + r.node, "$NEX.AUCTION", r.subject(nex.OpInfo), r.subject(nex.OpLogs)} {
		r.ask(subject, nil)
	}
	r.wantReply(r.ask(r.subject(nex.OpStop), r.stopping("w1")),
		`{"type":"io.nats.nex.v1.stop_response","data":{"stopped":true,"id":"w1","issuer":"ISSUER","name":"echo"},"error":null}`)
	// Refused before it would have to wait.
	if got := codeOf(t, r.ask(r.subject(nex.OpDeploy), nil).Data); got != nex.CodeInvalidRequest {
		t.Errorf("code = %s, want %s", got, nex.CodeInvalidRequest)
	}
	if n := len(entered); n > 0 {
		t.Errorf("%d deploys more than %d are in progress", n, control.MaxInProgress)
	}
	close(open)
	for range deploys {
		if err := nex.DecodeReply(nex.RunResponseType, next(t, answers).Data, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(r.work.deployed()); got != deploys {
		t.Errorf("%d workloads were deployed, want %d", got, deploys)
	}
}

// Stops that take long do not keep others waiting.
func TestSlowStopsDoNotBlock(t *testing.T) {
	t.Parallel()
	const stops = control.MaxInProgress + 1
	open := make(chan struct{})
	var entered sync.WaitGroup
	entered.Add(stops)
	r := newRig(t, func(r *rig) {
		r.work.stop = func(context.Context, stopCall) error {
			entered.Done()
			<-open
			return nil
		}
	})
	inbox := r.nc.NewInbox()
	answers := r.subscribe(inbox)
	for range stops {
		if err := r.nc.PublishRequest(r.subject(nex.OpStop), inbox, encode(t, r.stopping("w1"))); err != nil {
			t.Fatal(err)
		}
	}
	entered.Wait()
	if got := r.ask(r.subject(nex.OpDeploy), r.deployment()).Header.Get("Nats-Service-Error"); got != "" {
		t.Errorf("deploy refused: %s", got)
	}
	close(open)
	for range stops {
		next(t, answers)
	}
}

// Whoever waits when the service is closed gets an answer: those in progress what is known, those in
// the queue a refusal.
func TestCloseAnswers(t *testing.T) {
	t.Parallel()
	const waiting = 5
	entered := make(chan string, control.MaxInProgress)
	r := newRig(t, func(r *rig) {
		r.work.deploy = stuck(entered, nil)
		r.work.stop = func(ctx context.Context, _ stopCall) error {
			entered <- ""
			<-ctx.Done()
			return nex.Errorf(nex.CodeTimeout, "workload w1 is still stopping")
		}
	})
	answers := r.send(control.MaxInProgress + waiting)
	for range control.MaxInProgress {
		<-entered
	}
	r.ask(r.subject(nex.OpDeploy), nil) // the ones before it are in the queue now
	inbox := r.nc.NewInbox()
	stops := r.subscribe(inbox)
	if err := r.nc.PublishRequest(r.subject(nex.OpStop), inbox, encode(t, r.stopping("w1"))); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.service.Close()
	r.wantRefusal(next(t, stops), nex.OpStop, nex.CodeTimeout, "workload w1 is still stopping")
	started, refused := 0, 0
	for range control.MaxInProgress + waiting {
		msg := next(t, answers)
		var run nex.RunResponse
		switch err := nex.DecodeReply(nex.RunResponseType, msg.Data, &run); {
		case err == nil && run.State == nex.StateStarting:
			started++
		case errors.Is(err, nex.ErrLameDuck) && err.Error() == "the node is stopping: choose another node":
			refused++
		default:
			t.Fatalf("answer %s, %v", msg.Data, err)
		}
	}
	if started < control.MaxInProgress || started+refused != control.MaxInProgress+waiting {
		t.Errorf("%d started, %d refused", started, refused)
	}
	if _, err := r.nc.Request("$NEX.PING."+r.node, nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("ping after Close: %v, want %v", err, nats.ErrNoResponders)
	}
}

// What has arrived but was not looked at when the service is closed is not looked at any more: who asked
// this node is told, who asked all of them is not.
func TestCloseRefusesWhatIsPending(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	entered := make(chan struct{}, 10)
	r := newRig(t, func(r *rig) {
		r.work.list = twoNamespaces()
		r.work.stop = func(ctx context.Context, _ stopCall) error {
			entered <- struct{}{}
			<-ctx.Done() // ends within Close
			close(closed)
			return nil
		}
		r.work.listed = func() {
			entered <- struct{}{}
			<-closed
		}
	})
	inbox := r.nc.NewInbox()
	answers := r.subscribe(inbox + ".*")
	send := func(name, subject string, body any) {
		if err := r.nc.PublishRequest(subject, inbox+"."+name, encode(t, body)); err != nil {
			t.Fatal(err)
		}
	}
	send("stop", r.subject(nex.OpStop), r.stopping("w1"))
	for range 2 {
		send("info", r.subject(nex.OpInfo), nil)
		send("wping", "$NEX.WPING.default", nil)
	}
	for range 3 { // the stop, the first info, the first workload ping
		<-entered
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := r.conn.Flush(); err != nil { // the others have arrived
		t.Fatal(err)
	}
	r.service.Close()
	got := map[string]int{}
	for range 4 {
		msg := next(t, answers)
		name := msg.Subject[len(inbox)+1:]
		if text := msg.Header.Get("Nats-Service-Error"); text != "" {
			name += ": " + text
		}
		got[name]++
	}
	want := map[string]int{"stop": 1, "info": 1, "info: the node is stopping: choose another node": 1, "wping": 1}
	if !maps.Equal(got, want) {
		t.Errorf("answers = %v, want %v", got, want)
	}
	if n := len(entered); n > 0 {
		t.Errorf("%d requests got through after Close", n)
	}
}

// Requests that arrive while the service is closed are either answered or find nobody there.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begun := make(chan struct{}, 1)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				msg, err := r.nc.Request(r.subject(nex.OpDeploy), encode(t, r.deployment()), patience)
				select {
				case begun <- struct{}{}:
				default:
				}
				if errors.Is(err, nats.ErrNoResponders) {
					return
				}
				if err != nil {
					t.Errorf("deploy: %v", err)
					return
				}
				if err := nex.DecodeReply(nex.RunResponseType, msg.Data, nil); err != nil && !errors.Is(err, nex.ErrLameDuck) {
					t.Errorf("deploy: %v", err)
				}
			}
		})
	}
	<-begun
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(r.service.Close)
	}
	closers.Wait()
	deployed := len(r.work.deployed())
	group.Wait()
	if got := len(r.work.deployed()); got != deployed {
		t.Errorf("%d workloads were deployed after Close", got-deployed)
	}
}

func TestStartRefusesConfig(t *testing.T) {
	t.Parallel()
	good := newRig(t).config
	tests := []struct {
		name string
		edit func(*control.Config)
		want string
	}{
		{"no connection", func(c *control.Config) { c.Conn = nil }, "control API: Config.Conn is required"},
		{"no xkey", func(c *control.Config) { c.Xkey = nil }, "control API: Config.Xkey is required"},
		{"no verifier", func(c *control.Config) { c.Verifier = nil }, "control API: Config.Verifier is required"},
		{"no workloads", func(c *control.Config) { c.Workloads = nil }, "control API: Config.Workloads is required"},
		{"no agents", func(c *control.Config) { c.IdleAgents = nil }, "control API: Config.IdleAgents is required"},
		{"no publisher", func(c *control.Config) { c.Publisher = nil }, "control API: Config.Publisher is required"},
		{"no logger", func(c *control.Config) { c.Logger = nil }, "control API: Config.Logger is required"},
		{"no node id", func(c *control.Config) { c.NodeID = "node" }, `control API: Config.NodeID "node" is not a node id`},
		{"negative heartbeat", func(c *control.Config) { c.Heartbeat = -1 }, "control API: Config.Heartbeat must not be negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.edit(&c)
			s, err := control.Start(c)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
			if s != nil {
				s.Close()
			}
		})
	}
}

func TestStartWithoutConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config
	r.service.Close()
	r.conn.Close()
	if s, err := control.Start(c); err == nil || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("service %v, error = %v, want %v", s, err, nats.ErrConnectionClosed)
	}
}

// A node may have no tags of its own.
func TestTagsOfNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.config.Tags = nil })
	tags := r.service.Tags()
	if len(tags) != 1 || tags[nex.TagLameDuck] != "false" {
		t.Errorf("tags = %v", tags)
	}
	tags[nex.TagLameDuck] = "changed"
	if got := r.service.Tags()[nex.TagLameDuck]; got != "false" {
		t.Errorf("the caller's change got through: %q", got)
	}
}
