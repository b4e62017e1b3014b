package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// watching is a call of WatchEvents or FollowLogs that runs.
type watching struct {
	t      *testing.T
	seen   chan string
	cancel context.CancelCauseFunc
	ended  chan error
}

// watch runs a call and returns once it is ready. Call is given what to call for ready and for each
// thing that it sees.
func (r *rig) watch(call func(ctx context.Context, ready func(), see func(string)) error) *watching {
	r.t.Helper()
	ctx, cancel := context.WithCancelCause(r.t.Context())
	w := &watching{t: r.t, seen: make(chan string, 100), cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan struct{}, 10)
	go func() {
		w.ended <- call(ctx, func() { ready <- struct{}{} }, func(s string) { w.seen <- s })
	}()
	select {
	case <-ready:
	case err := <-w.ended:
		r.t.Fatalf("ended before it was ready: %v", err)
	}
	r.t.Cleanup(func() {
		cancel(nil)
		if n := len(ready); n > 0 {
			r.t.Errorf("ready was called %d times more", n)
		}
	})
	return w
}

// end ends the call, which must return nil, and returns what it had seen.
func (w *watching) end() []string {
	w.t.Helper()
	w.cancel(errors.New("seen enough"))
	if err := receive(w.t, w.ended); err != nil {
		w.t.Errorf("error = %v, want nil", err)
	}
	close(w.seen)
	var all []string
	for s := range w.seen {
		all = append(all, s)
	}
	return all
}

// publish publishes as a node does.
func (r *rig) publish(subject string, v any) {
	r.t.Helper()
	body, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			r.t.Fatal(err)
		}
		body = string(b)
	}
	if err := r.nodes.Publish(subject, []byte(body)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) event(id, node, namespace string, kind nex.EventType, data any) {
	r.t.Helper()
	e, err := nex.NewEvent(id, node, namespace, kind, time.Now(), data)
	if err != nil {
		r.t.Fatal(err)
	}
	r.publish(nex.EventSubject(namespace, kind), e)
}

// Events are told apart by their ids; the one called "end" is what every filter here selects.
func TestWatchEvents(t *testing.T) {
	t.Parallel()
	all := []string{"beat", "deployed", "changed", "other-name", "other-namespace", "other-node", "classic"}
	tests := []struct {
		name   string
		filter client.EventFilter
		want   []string
	}{
		{"all", client.EventFilter{}, all},
		{"namespace", client.EventFilter{Namespace: "shop"}, []string{"deployed", "changed", "other-name", "other-node", "classic"}},
		{"nodes' own namespace", client.EventFilter{Namespace: nex.SystemNamespace}, []string{"beat"}},
		{"type", client.EventFilter{Type: nex.EventWorkloadState}, []string{"changed"}},
		{"node", client.EventFilter{Node: nodeB}, []string{"other-node"}},
		{"name", client.EventFilter{Workload: "cart"}, []string{"deployed", "changed", "other-namespace", "other-node", "classic"}},
		{"id", client.EventFilter{Workload: "w1"}, []string{"deployed", "changed"}},
		{"all of them", client.EventFilter{Namespace: "shop", Type: nex.EventWorkloadDeployed, Node: nodeA, Workload: "cart"}, []string{"deployed", "classic"}},
		{"nothing", client.EventFilter{Workload: "none"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{})
			w := r.watch(func(ctx context.Context, ready func(), see func(string)) error {
				return r.client.WatchEvents(ctx, tt.filter, ready, func(e nex.Event) { see(e.ID) })
			})
			r.publish("$NEX.events.shop.workload_deployed", "not an event")
			r.publish("$NEX.events.shop.workload_deployed", `{"id":"no-cloud-event"}`)
			r.event("beat", nodeA, nex.SystemNamespace, nex.EventHeartbeat, nex.Heartbeat{NodeID: nodeA})
			r.event("deployed", nodeA, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "cart", ID: "w1"})
			r.event("changed", nodeA, "shop", nex.EventWorkloadState, nex.WorkloadStateChanged{ID: "w1", Name: "cart"})
			r.event("other-name", nodeA, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "till", ID: "w2"})
			r.event("other-namespace", nodeA, "bank", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "cart", ID: "w3"})
			r.event("other-node", nodeB, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{WorkloadName: "cart", ID: "w4"})
			r.event("classic", nodeA, "shop", nex.EventWorkloadDeployed, map[string]string{"workload_name": "cart"})
			if err := r.nodes.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if got := receive(t, w.seen); got != want {
					t.Errorf("event %q, want %q", got, want)
				}
			}
			if err := r.nc.Flush(); err != nil { // all have arrived
				t.Fatal(err)
			}
			if more := w.end(); len(more) > 0 {
				t.Errorf("events besides: %q", more)
			}
		})
	}
}

func TestFollowLogs(t *testing.T) {
	t.Parallel()
	all := []string{"node", "debug", "info", "error", "other-name", "other-namespace", "other-node"}
	tests := []struct {
		name   string
		filter client.LogFilter
		want   []string
	}{
		{"all", client.LogFilter{}, all},
		{"namespace", client.LogFilter{Namespace: "shop"}, []string{"debug", "info", "error", "other-name", "other-node"}},
		{"nodes' own", client.LogFilter{Namespace: nex.SystemNamespace}, []string{"node"}},
		{"node", client.LogFilter{Node: nodeB}, []string{"other-node"}},
		{"name", client.LogFilter{Workload: "cart"}, []string{"debug", "info", "error", "other-namespace", "other-node"}},
		{"id", client.LogFilter{Workload: "w1"}, []string{"debug", "info", "error"}},
		{"level info", client.LogFilter{Workload: "w1", MinLevel: slog.LevelInfo}, []string{"info", "error"}},
		{"level warn", client.LogFilter{Workload: "w1", MinLevel: slog.LevelWarn}, []string{"error"}},
		{"all of them", client.LogFilter{Namespace: "shop", Node: nodeA, Workload: "till", MinLevel: slog.LevelInfo}, []string{"other-name"}},
		{"nothing", client.LogFilter{Workload: "none"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{})
			w := r.watch(func(ctx context.Context, ready func(), see func(string)) error {
				return r.client.FollowLogs(ctx, tt.filter, ready, func(from nex.LogSource, l nex.LogRecord) {
					if l.ID != "" && l.ID != from.ID {
						t.Errorf("%s comes from %+v", l.Text, from)
					}
					see(l.Text)
				})
			})
			line := func(namespace, node, workload, id string, level slog.Level, text string) {
				r.publish(nex.LogSubject(namespace, node, workload, id), nex.LogRecord{Text: text, Level: int(level), ID: id})
			}
			r.publish(nex.LogSubject("shop", nodeA, "cart", "w1"), "not a log line")
			r.publish("$NEX.logs.shop."+nodeA+".cart", nex.LogRecord{Text: "a token too few"})
			r.publish("$NEX.logs.shop."+nodeA+".cart.w1.x", nex.LogRecord{Text: "a token too many"})
			r.publish(nex.NodeLogSubject(nodeA, "stdout"), nex.LogRecord{Text: "node"})
			line("shop", nodeA, "cart", "w1", slog.LevelDebug, "debug")
			line("shop", nodeA, "cart", "w1", slog.LevelInfo, "info")
			line("shop", nodeA, "cart", "w1", slog.LevelError, "error")
			line("shop", nodeA, "till", "w2", slog.LevelInfo, "other-name")
			line("bank", nodeA, "cart", "w3", slog.LevelInfo, "other-namespace")
			line("shop", nodeB, "cart", "w4", slog.LevelInfo, "other-node")
			if err := r.nodes.Flush(); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if got := receive(t, w.seen); got != want {
					t.Errorf("line %q, want %q", got, want)
				}
			}
			if err := r.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			if more := w.end(); len(more) > 0 {
				t.Errorf("lines besides: %q", more)
			}
		})
	}
}

// A watcher that is too slow loses events, and goes on with those that come after.
func TestWatchSlowly(t *testing.T) {
	t.Parallel()
	const room = 4
	slow := make(chan struct{}, 100)
	r := newRig(t, client.Config{}, nats.SyncQueueLen(room), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrSlowConsumer) {
			slow <- struct{}{}
		}
	}))
	open := make(chan struct{})
	w := r.watch(func(ctx context.Context, ready func(), see func(string)) error {
		return r.client.WatchEvents(ctx, client.EventFilter{}, ready, func(e nex.Event) {
			see(e.ID)
			<-open
		})
	})
	for n := range 3 * room {
		r.event("many-"+strconv.Itoa(n), nodeA, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{})
	}
	receive(t, slow)
	if err := r.nodes.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil { // as many as there is room for have arrived, and others were lost
		t.Fatal(err)
	}
	close(open)
	for n := range room {
		if got := receive(t, w.seen); !strings.HasPrefix(got, "many-") {
			t.Fatalf("event %d is %q", n, got)
		}
	}
	for got := ""; got != "last"; { // once there is room
		r.event("last", nodeA, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{})
		got = receive(t, w.seen)
	}
	w.end()
}

// An event that is looked at when the context ends is the last.
func TestWatchEndsBetweenEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var seen []string
	ready := func() {
		for _, id := range []string{"first", "second"} {
			r.event(id, nodeA, "shop", nex.EventWorkloadDeployed, nex.WorkloadDeployed{})
		}
		if err := errors.Join(r.nodes.Flush(), r.nc.Flush()); err != nil {
			t.Error(err)
		}
	}
	err := r.client.WatchEvents(ctx, client.EventFilter{}, ready, func(e nex.Event) {
		seen = append(seen, e.ID)
		cancel()
	})
	if err != nil || !slices.Equal(seen, []string{"first"}) {
		t.Errorf("seen %q, %v", seen, err)
	}
}

func TestWatchWithEndedContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func() { t.Error("ready") }
	if err := r.client.WatchEvents(ctx, client.EventFilter{}, never, func(nex.Event) {}); err != nil {
		t.Errorf("events: %v", err)
	}
	if err := r.client.FollowLogs(ctx, client.LogFilter{}, never, func(nex.LogSource, nex.LogRecord) {}); err != nil {
		t.Errorf("log lines: %v", err)
	}
}

func TestWatchWithoutReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.client.WatchEvents(ctx, client.EventFilter{}, nil, func(nex.Event) {}); err != nil {
		t.Error(err)
	}
}

// The connection may be lost for good while somebody watches, or before.
func TestWatchConnectionClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	for range 2 {
		err := r.client.WatchEvents(t.Context(), client.EventFilter{}, r.nc.Close, func(nex.Event) {})
		if err == nil || !strings.Contains(err.Error(), "$NEX.events.*.*: nats: ") {
			t.Errorf("error = %v, want one that names subject and cause", err)
		}
	}
}

func TestWatchRefusesFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	for _, tt := range []struct {
		namespace, node string
		code            nex.Code
	}{
		{"no.name", "", nex.CodeInvalidNamespace},
		{">", "", nex.CodeInvalidNamespace},
		{"*", "", nex.CodeInvalidNamespace},
		{"", "x", nex.CodeNodeNotFound},
		{nex.SystemNamespace, ">", nex.CodeNodeNotFound},
	} {
		err := r.client.WatchEvents(t.Context(), client.EventFilter{Namespace: tt.namespace, Node: tt.node}, nil, func(nex.Event) {})
		wantCode(t, err, tt.code, "")
		err = r.client.FollowLogs(t.Context(), client.LogFilter{Namespace: tt.namespace, Node: tt.node}, nil, func(nex.LogSource, nex.LogRecord) {})
		wantCode(t, err, tt.code, "")
	}
}
