//go:build unix

package main_test

import (
	"encoding/binary"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// rolling is one function on several nodes, each a process of its own, on one NATS server.
type rolling struct {
	*testing.T
	url    string
	nc     *nats.Conn
	client *client.Client
	nodes  []*member
}

// member is a node, which goes on with its data directory when it is started again.
type member struct {
	dir string
	*nextest.Process
}

// TestRollingRestart takes the nodes of a function down and up, one after the other, in each of the ways
// in which a node ends in order, while the function is called at a steady rate: each call runs once and
// is answered.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t)
	r := &rolling{T: t, url: s.ClientURL(), nc: natstest.Connect(t, s)}
	r.client = client.New(r.nc, client.Config{Timeout: nextest.Patience})
	for range 3 {
		r.nodes = append(r.nodes, &member{dir: t.TempDir()})
	}
	for _, m := range r.nodes {
		r.start(m)
	}
	r.deploy(client.Deployment{Name: "fn", Type: nex.TypeV8, Triggers: []string{"fn"}}, strings.NewReader(`async (subject, payload) => {
		await hostServices.promises.messaging.publish("ran", payload);
		return payload;
	}`))
	ways := []func(m *member){
		func(m *member) { r.lameduck(m, nex.ExitWhenIdle) },
		func(m *member) { r.lameduck(m, "30s") },
		func(m *member) {
			if err := syscall.Kill(m.PID(), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		},
	}
	rate := 500
	if nextest.Race {
		rate = 100
	}
	load := r.load(rate)
	for i, m := range r.nodes {
		load.await(rate) // all of them serve for a while
		ways[i](m)
		r.ended(m)
		r.start(m)
		r.awaitRunning(m)
	}
	load.await(rate)
	load.end()
}

func (r *rolling) start(m *member) {
	r.Helper()
	cmd := exec.Command(filepath.Join(binDir, "nex"), "node", "up", "--json", "--no-sandbox", "--server", r.url)
	cmd.Env = append(nextest.Environ(), "HOME="+m.dir, "NEX_DATA_DIR="+filepath.Join(m.dir, "data"), "PATH="+binDir)
	cmd.Dir = m.dir
	p, err := nextest.StartReady(cmd)
	if err != nil {
		r.Fatal(err)
	}
	m.Process = p
	r.Cleanup(func() {
		_ = p.Stop() // it may have ended
		if r.Failed() {
			r.Logf("node %s\n%s", p.Ready.NodeID, p.Log())
		}
	})
}

// deploy deploys a workload on all nodes.
func (r *rolling) deploy(d client.Deployment, content io.ReadSeeker) {
	r.Helper()
	issuer, err := nkeys.CreateAccount()
	if err != nil {
		r.Fatal(err)
	}
	location, digest, err := r.client.Upload(r.Context(), client.Upload{Bucket: "B", Key: d.Name, Content: content})
	if err != nil {
		r.Fatal(err)
	}
	nodes, err := r.client.Discover(r.Context())
	if err != nil || len(nodes) != len(r.nodes) {
		r.Fatalf("Discover = %v, %v, want %d nodes", nodes, err, len(r.nodes))
	}
	for _, n := range nodes {
		sender, err := nkeys.CreateCurveKeys()
		if err != nil {
			r.Fatal(err)
		}
		d.Node, d.Xkey, d.Issuer, d.Sender, d.Location, d.Digest = n.NodeID, n.TargetXkey, issuer, sender, location, digest
		if _, err := r.client.Deploy(r.Context(), d); err != nil {
			r.Fatal(err)
		}
	}
	for _, m := range r.nodes {
		r.awaitRunning(m)
	}
}

// awaitRunning waits until the workload runs on a node; a function takes calls then.
func (r *rolling) awaitRunning(m *member) {
	r.Helper()
	nextest.Await(r, "the workload runs", func() bool {
		info, err := r.client.Info(r.Context(), m.Ready.NodeID)
		return err == nil && len(info.Machines) == 1 && info.Machines[0].State == nex.StateRunning
	})
}

func (r *rolling) lameduck(m *member, exit nex.ExitAfter) {
	r.Helper()
	if _, err := r.client.LameDuck(r.Context(), m.Ready.NodeID, exit, nil); err != nil {
		r.Fatal(err)
	}
}

// ended waits until a node has ended.
func (r *rolling) ended(m *member) {
	r.Helper()
	select {
	case <-m.Done():
	case <-time.After(nextest.Patience):
		r.Fatal("the node does not end")
	}
	if err := m.Stop(); err != nil { // how it has ended
		r.Errorf("node: %v", err)
	}
}

// load calls the function at a steady rate, each call with a number, and counts what becomes of it.
type load struct {
	*rolling
	stop  chan struct{}
	ended chan struct{}

	mu       sync.Mutex
	sent     int
	answers  map[uint64]int
	runs     map[uint64]int
	refusals map[string]int
	answered chan struct{} // has a token after each answer
}

const loadTick = 10 * time.Millisecond

// mostUnanswered bounds the calls under way, so that a machine that is too slow for the rate is called less
// often and does not refuse calls.
const mostUnanswered = 100

func (r *rolling) load(perSecond int) *load {
	r.Helper()
	l := &load{
		rolling: r, stop: make(chan struct{}), ended: make(chan struct{}), answered: make(chan struct{}, 1),
		answers: map[uint64]int{}, runs: map[uint64]int{}, refusals: map[string]int{},
	}
	inbox := r.nc.NewInbox()
	for subject, take := range map[string]nats.MsgHandler{inbox: l.answer, "ran": l.ran} {
		if _, err := r.nc.Subscribe(subject, take); err != nil {
			r.Fatal(err)
		}
	}
	go func() {
		defer close(l.ended)
		ticker := time.NewTicker(loadTick)
		defer ticker.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-ticker.C:
				l.send(inbox, perSecond*int(loadTick)/int(time.Second))
			}
		}
	}()
	return l
}

func (l *load) send(inbox string, calls int) {
	l.mu.Lock()
	first := l.sent
	calls = min(calls, max(0, mostUnanswered-(l.sent-len(l.answers))))
	l.sent += calls
	l.mu.Unlock()
	for n := first; n < first+calls; n++ {
		if err := l.nc.PublishRequest("fn", inbox, binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
			l.Error(err)
		}
	}
}

func (l *load) answer(m *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(m.Data) == 8 && m.Header.Get(micro.ErrorHeader) == "" {
		l.answers[binary.BigEndian.Uint64(m.Data)]++
	} else {
		l.refusals[m.Header.Get("Status")+m.Header.Get(micro.ErrorHeader)]++
	}
	select {
	case l.answered <- struct{}{}:
	default:
	}
}

func (l *load) ran(m *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[binary.BigEndian.Uint64(m.Data)]++
}

// await waits until so many further calls have been sent and all of them up to then answered.
func (l *load) await(calls int) {
	l.Helper()
	l.mu.Lock()
	want := l.sent + calls
	l.mu.Unlock()
	l.awaitAnswers(want)
}

func (l *load) awaitAnswers(want int) {
	l.Helper()
	timeout := time.NewTimer(nextest.Patience)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		got, refusals := len(l.answers), l.refusals
		if len(refusals) > 0 {
			l.Fatalf("%d calls were sent and %d answered; errors: %v", l.sent, got, refusals)
		}
		l.mu.Unlock()
		if got >= want {
			return
		}
		select {
		case <-l.answered:
		case <-timeout.C:
			l.Fatalf("%d of %d calls were answered", got, want)
		}
	}
}

// end stops calling and checks that every call has run and been answered, once.
func (l *load) end() {
	l.Helper()
	close(l.stop)
	<-l.ended
	l.awaitAnswers(l.sent)
	nextest.Await(l, "all calls have told that they ran", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.runs) >= l.sent
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, counts := range map[string]map[uint64]int{"answered": l.answers, "run": l.runs} {
		for n, times := range counts {
			if times != 1 {
				l.Errorf("call %d was %s %d times", n, what, times)
			}
		}
	}
	l.Logf("%d calls, each run and answered once", l.sent)
}
