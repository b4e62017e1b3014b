package linkhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
)

// dialFunction is dial for a link that calls can be made on.
func dialFunction(t testing.TB, h *handler) *linkhost.Link {
	t.Helper()
	link, _ := dial(t, h)
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{Function: &agentlink.Function{}}, ignored); err != nil {
		t.Fatal(err)
	}
	return link
}

// dial is the agent's end of a new link, with h serving.
func dial(t testing.TB, h *handler) (*linkhost.Link, *agentlink.Conn) {
	t.Helper()
	link, b := admit(t, linktest.StartHost(t), "A")
	c, err := agentlink.Dial(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Settle)
	t.Cleanup(c.Close)
	if err := c.Serve(h); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Handshake(t.Context(), agentlink.Handshake{AgentID: "A"}); err != nil {
		t.Fatal(err)
	}
	return link, c
}

// ignored is for what an agent says that a test does not look at.
var ignored = linkhost.Events{Logs: func([]nex.LogRecord, bool) {}, Exited: func(nex.Exit) bool { return true }}

func TestHandshake(t *testing.T) {
	t.Parallel()
	link, b := admit(t, linktest.StartHost(t), "A")
	c, err := agentlink.Dial(b)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := agentlink.Handshake{AgentID: "A", Protocol: agentlink.Protocol, Version: "1.2.3", OS: "plan9", Arch: "mips", Types: []nex.WorkloadType{nex.TypeNative}}
	reply, err := c.Handshake(t.Context(), want)
	if err != nil || reply.NodeID != "NODE" {
		t.Errorf("Handshake = %+v, %v, want that of node NODE", reply, err)
	}
	if got, err := link.Handshake(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the node heard %+v, %v, want %+v", got, err, want)
	}

	// A second one, before or after the node has looked at the first, is not answered.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Handshake(ctx, agentlink.Handshake{AgentID: "A", Version: "2"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second handshake: %v, want no answer", err)
	}
	if h, err := link.Handshake(ctx); err == nil {
		t.Errorf("the node heard a second handshake %+v", h)
	}
}

func TestHandshakeThatDoesNotCome(t *testing.T) {
	t.Parallel()
	link, _ := admit(t, linktest.StartHost(t), "A")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("it is too late"))
	_, err := link.Handshake(ctx)
	if want := "wait for handshake of agent A: it is too late"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

func TestMalformedHandshakesAreRefused(t *testing.T) {
	t.Parallel()
	var log nextest.Buffer
	h, err := linkhost.Start(linkhost.Config{NodeID: "NODE", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	link, b := admit(t, h, "A")
	nc, _ := connect(t, b)
	for _, body := range []string{"", "x", "[]", `{"agent_id":1}`, `{"agent_id":"B"}`, `{"agent_id":"` + strings.Repeat("B", 1<<20) + `"}`} {
		if err := nc.PublishRequest(agentlink.HandshakeSubject("A"), agentlink.InboxPrefix("A")+".x", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	// The next one in order is accepted, and is the first that the node hears.
	if _, err := nc.RequestWithContext(t.Context(), agentlink.HandshakeSubject("A"), agentlink.Encode(agentlink.Handshake{AgentID: "A", Protocol: 1, Version: "good"})); err != nil {
		t.Fatal(err)
	}
	if got, err := link.Handshake(t.Context()); err != nil || got.Version != "good" {
		t.Errorf("the node heard %+v, %v", got, err)
	}
	if n := bytes.Count([]byte(log.String()), []byte("malformed agent handshake")); n != 1 {
		t.Errorf("the node's log speaks %d times of malformed handshakes, want once:\n%.500s", n, log.String())
	}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	want := agentlink.Deploy{
		WorkloadID: "w1", Name: "echo", Namespace: "default", Type: nex.TypeNative, Path: "/p", Digest: "d",
		Argv: []string{"x"}, Environment: map[string]string{"A": "1"},
	}
	tests := []struct {
		name  string
		reply agentlink.DeployReply
		err   error // as nex.Error; nil if there is none
	}{
		{"runs", agentlink.DeployReply{PID: 7}, nil},
		{"fails", agentlink.DeployReply{Error: "no such file", Code: nex.CodeDigestMismatch}, &nex.Error{Code: nex.CodeDigestMismatch, Message: "no such file"}},
		{"fails without a code", agentlink.DeployReply{Error: "no"}, &nex.Error{Code: nex.CodeStartFailed, Message: "no"}},
		{"fails with an unknown code", agentlink.DeployReply{Error: "no", Code: "no_such_code"}, &nex.Error{Code: nex.CodeStartFailed, Message: "no"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			heard := make(chan agentlink.Deploy, 1)
			link, _ := dial(t, &handler{deploy: func(d agentlink.Deploy) agentlink.DeployReply {
				heard <- d
				return tt.reply
			}})
			reply, err := link.Deploy(t.Context(), want, ignored)
			if tt.err == nil && (err != nil || reply.PID != 7) {
				t.Errorf("Deploy = %+v, %v", reply, err)
			}
			if tt.err != nil && (!errors.Is(err, tt.err) || err.Error() != tt.err.Error()) {
				t.Errorf("error = %v (%s), want %v (%s)", err, nex.CodeOf(err), tt.err, nex.CodeOf(tt.err))
			}
			if got := <-heard; !reflect.DeepEqual(got, want) {
				t.Errorf("the agent heard %+v, want %+v", got, want)
			}
		})
	}
}

func TestRequestsThatGetNoAnswer(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	link, c := dial(t, &handler{deploy: func(agentlink.Deploy) agentlink.DeployReply {
		<-answered
		return agentlink.DeployReply{}
	}})
	defer close(answered)

	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("the agent was too slow"))
	defer cancel()
	_, err := link.Deploy(ctx, agentlink.Deploy{}, ignored)
	if want := "request to agent A: the agent was too slow"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}

	_, err = link.Deploy(t.Context(), agentlink.Deploy{Path: strings.Repeat("x", agentlink.MaxMessageBytes)}, ignored)
	if !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("a message that is too large: %v, want %v", err, nats.ErrMaxPayload)
	}

	c.Close()
	nextest.Await(t, "nobody is there to answer", func() bool {
		// One that was still delivered to the agent is never answered.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return errors.Is(link.Ping(ctx), nats.ErrNoResponders)
	})
}

func TestMessageOfAnAgentThatIsTooLarge(t *testing.T) {
	t.Parallel()
	_, b := admit(t, linktest.StartHost(t), "A")
	nc, _ := connect(t, b)
	if err := nc.Publish(agentlink.LogsSubject("A"), make([]byte, agentlink.MaxFrameBytes+1)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("the server lets a client send any size: %v, want %v", err, nats.ErrMaxPayload)
	}
}

func TestUndeploy(t *testing.T) {
	t.Parallel()
	heard := make(chan time.Duration, 1)
	link, _ := dial(t, &handler{undeploy: func(u agentlink.Undeploy) agentlink.Exited {
		heard <- u.Grace
		return agentlink.Exited{Exit: nex.Exit{Code: 3}}
	}})
	exit, err := link.Undeploy(t.Context(), time.Minute)
	if err != nil || exit != (nex.Exit{Code: 3}) {
		t.Errorf("Undeploy = %v, %v, want status 3", exit, err)
	}
	if got := <-heard; got != time.Minute {
		t.Errorf("the agent heard of %s, want a minute", got)
	}
}

func TestUndeployTimesOut(t *testing.T) {
	t.Parallel()
	killed := make(chan struct{})
	link, _ := dial(t, &handler{undeploy: func(agentlink.Undeploy) agentlink.Exited {
		<-killed
		return agentlink.Exited{}
	}})
	defer close(killed)
	// The time to kill a process tree is given in any case: take it away beforehand.
	start := time.Now()
	_, err := link.Undeploy(t.Context(), -5*time.Second+20*time.Millisecond)
	if want := "request to agent A: the agent did not stop the workload in time"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	if d := time.Since(start); d > nextest.Patience {
		t.Errorf("Undeploy took %s", d)
	}
}

func TestEventsComeInOrder(t *testing.T) {
	t.Parallel()
	link, c := dial(t, &handler{})
	var said []string // by one goroutine at a time: the race detector sees if that does not hold
	done := make(chan struct{})
	_, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs: func(records []nex.LogRecord, _ bool) {
			for _, r := range records {
				said = append(said, r.Text)
			}
		},
		Exited: func(e nex.Exit) bool {
			said = append(said, e.String())
			if e.Code == 2 {
				close(done)
			}
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 500 {
		text := fmt.Sprint("line ", i)
		want = append(want, text)
		if err := c.Logs([]nex.LogRecord{{Text: text}}); err != nil {
			t.Fatal(err)
		}
	}
	for code := 1; code <= 2; code++ {
		want = append(want, nex.Exit{Code: code}.String())
		if err := c.Exited(t.Context(), nex.Exit{Code: code}); err != nil {
			t.Fatalf("Exited was not acknowledged: %v", err)
		}
	}
	<-done
	if !slices.Equal(said, want) {
		t.Errorf("the node heard %d things, want %d in the order in which they were said", len(said), len(want))
	}
}

func TestWhatIsSaidBeforeDeployIsNotHeard(t *testing.T) {
	t.Parallel()
	link, c := dial(t, &handler{})
	if err := c.Logs([]nex.LogRecord{{Text: "early"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Exited(ctx, nex.Exit{}); err == nil {
		t.Error("an end was acknowledged that nobody heard of")
	}
	heard := make(chan []nex.LogRecord, 1)
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{Logs: func(r []nex.LogRecord, _ bool) { heard <- r }, Exited: ignored.Exited}); err != nil {
		t.Fatal(err)
	}
	if err := c.Logs([]nex.LogRecord{{Text: "in time"}}); err != nil {
		t.Fatal(err)
	}
	if r := <-heard; r[0].Text != "in time" {
		t.Errorf("the node heard %q first", r[0].Text)
	}
}

func TestMalformedMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	link, b := admit(t, linktest.StartHost(t), "A")
	nc, _ := connect(t, b)
	if _, err := nc.Subscribe(agentlink.DeploySubject("A"), func(m *nats.Msg) { _ = m.Respond([]byte("{}")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe(agentlink.UndeploySubject("A"), func(m *nats.Msg) { _ = m.Respond([]byte("no JSON")) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs:   func(r []nex.LogRecord, _ bool) { heard <- r[0].Text },
		Exited: func(e nex.Exit) bool { heard <- e.String(); return true },
	}); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{agentlink.LogsSubject("A"), agentlink.ExitedSubject("A"), "hostint.A.nonsense", "hostint.A.rpc.kv.get"} {
		if err := nc.Publish(subject, []byte("no JSON")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Publish(agentlink.LogsSubject("A"), agentlink.Encode([]nex.LogRecord{{Text: "good"}})); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "good" {
		t.Errorf("the node heard %q, want the line after the malformed messages", got)
	}
	if _, err := link.Undeploy(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("malformed answer: %v", err)
	}
}

// TestCloseTellsWhatHasArrived is about the last lines of a program that is stopped: they arrive
// before the agent's answer, but by another way within the node.
func TestCloseTellsWhatHasArrived(t *testing.T) {
	t.Parallel()
	const lines = 200
	conn := make(chan *agentlink.Conn, 1)
	link, c := dial(t, &handler{undeploy: func(agentlink.Undeploy) agentlink.Exited {
		c := <-conn
		for i := range lines {
			_ = c.Logs([]nex.LogRecord{{Text: fmt.Sprint(i)}})
		}
		return agentlink.Exited{}
	}})
	conn <- c
	heard, stopped := 0, make(chan struct{})
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs: func(r []nex.LogRecord, _ bool) {
			<-stopped
			heard += len(r)
		},
		Exited: ignored.Exited,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Undeploy(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	close(stopped)
	link.Close()
	if heard != lines {
		t.Errorf("the node heard %d lines before Close returned, want %d", heard, lines)
	}
}

func TestCloseWaitsForNobody(t *testing.T) {
	t.Parallel()
	link, c := dial(t, &handler{})
	stuck, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs: func([]nex.LogRecord, bool) {
			close(stuck)
			<-release
		},
		Exited: ignored.Exited,
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Logs([]nex.LogRecord{{Text: "x"}}); err != nil {
		t.Fatal(err)
	}
	<-stuck
	closed := make(chan struct{})
	go func() {
		link.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(nextest.Patience):
		t.Fatal("Close hangs with the function that it waits for")
	}
}
