package linkhost_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/nextest"
)

// data is what the processes of a node have in common.
type data struct {
	t      testing.TB
	dir    string
	secret []byte
}

func newData(t testing.TB) data {
	t.Helper()
	dir, err := os.MkdirTemp("", "nex-link-") // shorter than that of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return data{t: t, dir: filepath.Join(dir, "l"), secret: bytes.Repeat([]byte{7}, 32)}
}

// start starts a process, which ends with the test.
func (d data) start(secret []byte) *linkhost.Host {
	d.t.Helper()
	h, err := linkhost.Start(linkhost.Config{NodeID: "NODE", Dir: d.dir, Secret: secret, OrphanTimeout: time.Hour, Logger: discard})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(h.Close)
	return h
}

// left is an agent whose node has left it with a function that runs.
func (d data) left() agentlink.Bootstrap {
	d.t.Helper()
	h := d.start(d.secret)
	link, b := admit(d.t, h, "A")
	c, err := agentlink.Dial(b)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Serve(&handler{}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := c.Handshake(d.t.Context(), agentlink.Handshake{AgentID: "A"}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := link.Deploy(d.t.Context(), agentlink.Deploy{Function: &agentlink.Function{}}, ignored); err != nil {
		d.t.Fatal(err)
	}
	h.Leave()
	select {
	case <-c.Lost():
	case <-time.After(nextest.Patience):
		d.t.Fatal("the agent's link is not lost")
	}
	return b
}

// redial links an agent that comes back, up to its handshake.
func redial(t testing.TB, b agentlink.Bootstrap, h *handler) *agentlink.Conn {
	t.Helper()
	c, err := agentlink.Redial(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Serve(h); err != nil {
		t.Fatal(err)
	}
	if err := c.OpenCalls(h); err != nil {
		t.Fatal(err)
	}
	return c
}

// An agent is known again by the next process, which can do with it all that the one before could.
func TestReadmit(t *testing.T) {
	t.Parallel()
	d := newData(t)
	b := d.left()
	if b.OrphanTimeout != time.Hour {
		t.Errorf("the agent is told that it may be an orphan for %s, want an hour", b.OrphanTimeout)
	}
	h := d.start(d.secret)
	var said []string // by one goroutine at a time
	exited := make(chan struct{})
	link, err := h.Readmit("A", linkhost.Events{
		Logs: func(records []nex.LogRecord, history bool) {
			for _, r := range records {
				line := r.Run + " " + r.Text
				if history {
					line += " (history)"
				}
				said = append(said, line)
			}
		},
		Exited: func(e nex.Exit) bool {
			said = append(said, e.String())
			close(exited)
			return true
		},
		Host: func(context.Context, hostapi.Request) (hostapi.Response, error) {
			return hostapi.Response{Body: []byte("value")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	h.Sweep()
	c := redial(t, b, &handler{})
	exit := nex.Exit{Code: 3}
	hello := agentlink.Handshake{AgentID: "A", Protocol: agentlink.Protocol, Version: "an earlier one", Held: &agentlink.Held{WorkloadID: "w1", PID: 7, Exit: &exit}}
	if _, err := c.Handshake(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	if got, err := link.Handshake(t.Context()); err != nil || !reflect.DeepEqual(got, hello) {
		t.Errorf("Handshake = %+v, %v, want %+v", got, err, hello)
	}
	if a := call(t, link, agentlink.Trigger{Timeout: nextest.Patience, Payload: []byte("x")}); string(a.Payload) != "x" {
		t.Errorf("answer = %+v, want the payload", a)
	}
	if r, err := c.Request(t.Context(), hostapi.Request{Service: "kv", Method: "get"}); err != nil || string(r.Body) != "value" {
		t.Errorf("Request = %q, %v", r.Body, err)
	}
	err = errors.Join(
		c.History([]nex.LogRecord{{Text: "one", Seq: 1}, {Text: "two", Seq: 2, Run: "another's"}}),
		c.Logs([]nex.LogRecord{{Text: "three", Seq: 3}}),
		c.Exited(t.Context(), exit),
	)
	if err != nil {
		t.Fatal(err)
	}
	<-exited
	if want := []string{"A one (history)", "A two (history)", "A three", "ended with status 3"}; !slices.Equal(said, want) {
		t.Errorf("the node heard %q, want %q", said, want)
	}
	if err := link.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	link.Close()
	if _, err := os.Stat(b.LinkDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of the socket is left: %v", err)
	}
}

// Who has another secret is another node.
func TestReadmitNeedsTheSecret(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string][]byte{"another": bytes.Repeat([]byte{8}, 32), "none": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newData(t)
			b := d.left()
			link, err := d.start(secret).Readmit("A", ignored)
			if err != nil {
				t.Fatal(err)
			}
			defer link.Close()
			if c, err := agentlink.Redial(t.Context(), b); err == nil {
				c.Close()
				t.Error("the agent has come back")
			} else if !errors.Is(err, agentlink.ErrHello) {
				t.Errorf("error = %v, want %v", err, agentlink.ErrHello)
			}
		})
	}
}

// An agent of one node cannot be taken for another.
func TestKeysAreOfOneAgent(t *testing.T) {
	t.Parallel()
	d := newData(t)
	h := d.start(d.secret)
	_, a := admit(t, h, "A")
	_, b := admit(t, h, "B")
	if a.Seed == b.Seed || a.Token == b.Token || len(a.Token) != agentlink.TokenBytes {
		t.Errorf("the keys of two agents are %q and %q, %q and %q", a.Seed, b.Seed, a.Token, b.Token)
	}
	if _, err := linkhost.Start(linkhost.Config{Secret: []byte("short"), Logger: discard}); err == nil {
		t.Error("a secret of another length is taken")
	}
}

func TestReadmitFails(t *testing.T) {
	t.Parallel()
	d := newData(t)
	h := d.start(d.secret)
	admit(t, h, "THERE")
	if err := os.WriteFile(filepath.Join(d.dir, "FILE"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(d.dir, "LINK")); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"GONE":  "no such file or directory",
		"FILE":  "is no directory",
		"LINK":  "is no directory",
		"THERE": "it has a link already",
		"..":    "letters and digits only",
		"a/b":   "letters and digits only",
		"":      "letters and digits only",
		"a.*":   "letters and digits only",
	} {
		if l, err := h.Readmit(id, ignored); err == nil {
			l.Close()
			t.Errorf("agent %q is let in again", id)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("error of agent %q = %v, want %q", id, err, want)
		}
	}
	if l, err := h.Admit("THERE"); err == nil {
		l.Close()
		t.Error("an agent has two links")
	}
	nextest.Await(t, "no connection is left", func() bool { return h.Server().NumClients() == 1 })
}

// Agents that do not fit are refused, and those that are late with it can be told from others.
func TestHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	held := &agentlink.Held{WorkloadID: "w1"}
	for name, tt := range map[string]struct {
		again bool
		hello agentlink.Handshake
		want  string
	}{
		"another protocol":             {false, agentlink.Handshake{Protocol: 2}, "handshake of agent A: it speaks version 2 of the agent link, and this node version 1"},
		"no protocol":                  {false, agentlink.Handshake{}, "handshake of agent A: it speaks version 0 of the agent link, and this node version 1"},
		"another protocol, comes back": {true, agentlink.Handshake{Protocol: 2, Held: held}, "handshake of agent A: it speaks version 2 of the agent link, and this node version 1"},
		"comes back with nothing":      {true, agentlink.Handshake{Protocol: 1}, "handshake of agent A: it has no workload any more"},
		"new, with a workload":         {false, agentlink.Handshake{Protocol: 1, Held: held}, "handshake of agent A: it has a workload that this node has not given it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newData(t)
			var link *linkhost.Link
			var b agentlink.Bootstrap
			if tt.again {
				b = d.left()
				h := d.start(d.secret)
				b.URL = h.URL()
				var err error
				if link, err = h.Readmit("A", ignored); err != nil {
					t.Fatal(err)
				}
				defer link.Close()
			} else {
				link, b = admit(t, d.start(d.secret), "A")
			}
			nc, _ := connect(t, b)
			tt.hello.AgentID = "A"
			answer, err := nc.SubscribeSync(agentlink.InboxPrefix("A") + ".x")
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.PublishRequest(agentlink.HandshakeSubject("A"), answer.Subject, agentlink.Encode(tt.hello)); err != nil {
				t.Fatal(err)
			}
			if _, err := link.Handshake(t.Context()); err == nil || err.Error() != tt.want {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
			if err := errors.Join(nc.Flush(), link.CatchUp(t.Context()), nc.Flush()); err != nil {
				t.Fatal(err)
			}
			if n, _, _ := answer.Pending(); n > 0 {
				t.Error("the handshake is answered")
			}
		})
	}
}

// Malformed handshakes of an agent that comes back do not stand in the way of the right one.
func TestMalformedHeldIsRefused(t *testing.T) {
	t.Parallel()
	d := newData(t)
	b := d.left()
	h := d.start(d.secret)
	link, err := h.Readmit("A", ignored)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	b.URL = h.URL()
	nc, _ := connect(t, b)
	for _, held := range []string{`7`, `[]`, `{"workload_id":7}`, `{"pid":"x"}`, `{"exit":7}`, `{"exit":{"code":"x"}}`, `{"pid":99999999999999999999}`} {
		body := `{"agent_id":"A","protocol":1,"held":` + held + `}`
		if err := nc.PublishRequest(agentlink.HandshakeSubject("A"), agentlink.InboxPrefix("A")+".x", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	good := agentlink.Encode(agentlink.Handshake{AgentID: "A", Protocol: 1, Held: &agentlink.Held{WorkloadID: "good"}})
	if _, err := nc.RequestWithContext(t.Context(), agentlink.HandshakeSubject("A"), good); err != nil {
		t.Fatal(err)
	}
	if got, err := link.Handshake(t.Context()); err != nil || got.Held.WorkloadID != "good" {
		t.Errorf("Handshake = %+v, %v", got, err)
	}
}

// A node that lives does not take an agent back that has lost its link: what was under way is not known.
func TestAgentComesBackToTheSameNode(t *testing.T) {
	t.Parallel()
	link, b := admit(t, linktest.StartHost(t), "A")
	nc, _ := connect(t, b)
	hello := agentlink.Encode(agentlink.Handshake{AgentID: "A", Protocol: 1})
	if _, err := nc.RequestWithContext(t.Context(), agentlink.HandshakeSubject("A"), hello); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	c := redial(t, b, &handler{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-link.Lost()
		cancel()
	}()
	if _, err := c.Handshake(ctx, agentlink.Handshake{AgentID: "A", Held: &agentlink.Held{WorkloadID: "w1"}}); err == nil {
		t.Error("the handshake is answered")
	}
	select {
	case <-link.Lost():
	case <-time.After(nextest.Patience):
		t.Error("the link is not lost")
	}
}

// A new agent has no history.
func TestHistoryOfANewAgentIsIgnored(t *testing.T) {
	t.Parallel()
	link, c := dial(t, &handler{})
	heard := make(chan string, 10)
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs:   func(r []nex.LogRecord, _ bool) { heard <- r[0].Text },
		Exited: ignored.Exited,
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.History([]nex.LogRecord{{Text: "history"}}), c.Logs([]nex.LogRecord{{Text: "line"}})); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "line" {
		t.Errorf("the node heard %q first", got)
	}
}

// What is left by an earlier process remains until it is swept, and then goes unless it is of an agent that was
// let in.
func TestSweep(t *testing.T) {
	t.Parallel()
	d := newData(t)
	d.left()
	if err := errors.Join(os.MkdirAll(filepath.Join(d.dir, "LEFT", "deep"), 0o700), os.WriteFile(filepath.Join(d.dir, "FILE"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		entries, err := os.ReadDir(d.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	h := d.start(d.secret)
	if info, err := os.Stat(d.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v, want that only its owner can enter it", info.Mode(), err)
	}
	h.Close() // before it has got so far
	if got, want := names(), []string{"A", "FILE", "LEFT"}; !slices.Equal(got, want) {
		t.Errorf("in the directory are %v, want %v", got, want)
	}
	h = d.start(d.secret)
	link, err := h.Readmit("A", ignored)
	if err != nil {
		t.Fatal(err)
	}
	admit(t, h, "B")
	h.Sweep()
	if got, want := names(), []string{"A", "B"}; !slices.Equal(got, want) {
		t.Errorf("in the directory are %v, want %v", got, want)
	}
	link.Close()
	h.Close()
	if _, err := os.Stat(d.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

// Leave keeps what belongs to agents that go on, whatever is done with their links, and nothing else. From then
// on nothing is told.
func TestLeave(t *testing.T) {
	t.Parallel()
	d := newData(t)
	h := d.start(d.secret)
	stays, b := admit(t, h, "STAYS")
	goes, _ := admit(t, h, "GOES")
	goes.Close()
	nc, _ := connect(t, b)
	if _, err := nc.Subscribe(agentlink.DeploySubject("STAYS"), func(m *nats.Msg) { _ = m.Respond([]byte("{}")) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := stays.Deploy(t.Context(), agentlink.Deploy{}, linkhost.Events{
		Logs: func([]nex.LogRecord, bool) { t.Error("lines are told to a node that has left") },
		Exited: func(nex.Exit) bool {
			t.Error("an exit is told to a node that has left")
			return true
		},
	}); err != nil {
		t.Fatal(err)
	}
	h.Leave()
	_ = nc.Publish(agentlink.ExitedSubject("STAYS"), agentlink.Encode(agentlink.Exited{}))
	stays.Close()
	h.Close()
	entries, err := os.ReadDir(d.dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "STAYS" {
		t.Errorf("in the directory are %v, %v, want STAYS", entries, err)
	}
	nextest.Await(t, "the agent is cut off", nc.IsClosed)
	if a := call(t, stays, agentlink.Trigger{Timeout: time.Hour}); a.Status == 0 {
		t.Errorf("a call after Leave is answered %+v", a)
	}
}
