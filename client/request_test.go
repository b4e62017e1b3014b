package client_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
)

func TestPing(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	want := nex.PingResponse{NodeID: nodeA, Nexus: "test", Version: "1.2.3", Uptime: "1s", TargetXkey: "X", RunningMachines: 1}
	r.on("$NEX.PING."+nodeA, r.answers(reply(t, nex.OpPing, want)))
	got, err := r.client.Ping(t.Context(), nodeA)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ping = %+v, %v, want %+v", got, err, want)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Namespace: "shop"})
	want := nex.InfoResponse{Version: "1.2.3", Machines: []nex.MachineInfo{{ID: "w1", Namespace: "shop"}}}
	r.on("$NEX.INFO.shop."+nodeA, r.answers(reply(t, nex.OpInfo, want)))
	got, err := r.client.Info(t.Context(), nodeA)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("info = %+v, %v, want %+v", got, err, want)
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	want := []nex.LogLine{{Workload: "echo", LogRecord: nex.LogRecord{Text: "hello", ID: "w1"}}}
	asked := make(chan nex.LogsRequest, 1)
	body := reply(t, nex.OpLogs, nex.LogsResponse{Lines: want})
	r.on("$NEX.LOGS.default."+nodeA, func(m *nats.Msg) {
		asked <- decode[nex.LogsRequest](t, m.Data)
		r.respond(m, body)
	})
	got, err := r.client.Logs(t.Context(), nodeA, nex.LogsRequest{Workload: "echo", Lines: 7})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("lines = %+v, %v, want %+v", got, err, want)
	}
	if got, want := receive(t, asked), (nex.LogsRequest{Workload: "echo", Lines: 7}); got != want {
		t.Errorf("request = %+v, want %+v", got, want)
	}
}

func TestRequestErrors(t *testing.T) {
	t.Parallel()
	const silence = "-"
	tests := []struct {
		name  string
		reply string
		code  nex.Code
		says  string
	}{
		{"nobody", "", nex.CodeNodeNotFound, "no node " + nodeA + " answers: list the nodes with nex node ls"},
		{"silence", silence, nex.CodeTimeout, "node " + nodeA + " did not answer INFO within 50ms: allow more time with --timeout"},
		{"refusal", refusal(nex.OpInfo, nex.Errorf(nex.CodeLameDuck, "go away")), nex.CodeLameDuck, "go away"},
		{"code of a later version", `{"type":"x","error":"no","code":"too_new"}`, "too_new", "no"},
		{"version 1", `{"type":"io.nats.nex.v1.info_response","data":"","error":"go away"}`, nex.CodeInternal, "go away"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := patience
			if tt.reply == silence {
				timeout = 50 * time.Millisecond
			}
			r := newRig(t, client.Config{Timeout: timeout})
			switch tt.reply {
			case "":
			case silence:
				r.on("$NEX.INFO.default."+nodeA, func(*nats.Msg) {})
			default:
				r.on("$NEX.INFO.default."+nodeA, r.answers(tt.reply))
			}
			_, err := r.client.Info(t.Context(), nodeA)
			wantCode(t, err, tt.code, tt.says)
		})
	}
}

func TestMalformedReplies(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", "hello", "[]", "{}", `{"type":"io.nats.nex.v1.ping_response","data":{},"error":null}`,
		`{"type":"io.nats.nex.v1.info_response","data":[]}`, `{"type":"io.nats.nex.v1.info_response"}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, client.Config{})
			r.on("$NEX.INFO.default."+nodeA, r.answers(body))
			if info, err := r.client.Info(t.Context(), nodeA); err == nil || nex.CodeOf(err) != nex.CodeInternal {
				t.Errorf("info = %+v, %v, want an error", info, err)
			}
		})
	}
}

// calls are all requests to one node.
func calls(c *client.Client, node string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"ping": func(ctx context.Context) error { _, err := c.Ping(ctx, node); return err },
		"info": func(ctx context.Context) error { _, err := c.Info(ctx, node); return err },
		"logs": func(ctx context.Context) error { _, err := c.Logs(ctx, node, nex.LogsRequest{}); return err },
		"lame duck": func(ctx context.Context) error {
			_, err := c.LameDuck(ctx, node, "", nil)
			return err
		},
	}
}

func TestNoNodeID(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	for _, node := range []string{"", "x", nodeA + "A", "N.*", strings.Repeat("N", 1000)} {
		for name, call := range calls(r.client, node) {
			t.Run(name+" "+node, func(t *testing.T) {
				err := call(t.Context())
				wantCode(t, err, nex.CodeNodeNotFound, "is not a node id: list the nodes with nex node ls")
				if err != nil && len(err.Error()) > 200 {
					t.Errorf("error has %d characters", len(err.Error()))
				}
			})
		}
	}
}

func TestRequestCanceled(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Timeout: ages})
	for name, call := range calls(r.client, nodeA) {
		t.Run(name, func(t *testing.T) {
			why := errors.New("lost interest")
			ctx, cancel := context.WithCancelCause(t.Context())
			sub, err := r.nodes.Subscribe("$NEX.>", func(*nats.Msg) { cancel(why) })
			if err != nil {
				t.Fatal(err)
			}
			if err := r.nodes.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := call(ctx); !errors.Is(err, why) {
				t.Errorf("error = %v, want %v", err, why)
			}
			if err := sub.Unsubscribe(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The caller's own deadline is not the node's fault.
func TestRequestDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{Timeout: ages})
	r.on("$NEX.PING."+nodeA, func(*nats.Msg) {})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.client.Ping(ctx, nodeA); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nex.ErrTimeout) {
		t.Errorf("error = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestRequestConnectionClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, client.Config{})
	r.nc.Close()
	for name, call := range calls(r.client, nodeA) {
		if err := call(t.Context()); !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("%s: error = %v, want %v", name, err, nats.ErrConnectionClosed)
		}
	}
}

func TestRequestTooLarge(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) { o.JetStream, o.MaxPayload = false, 4096 })
	r := rigOn(t, s, client.Config{})
	_, err := r.client.Logs(t.Context(), nodeA, nex.LogsRequest{Workload: strings.Repeat("x", 5000)})
	wantCode(t, err, nex.CodeRequestTooLarge, "the max_payload of the NATS server, 4096 bytes")
	_, err = r.client.Logs(t.Context(), nodeA, nex.LogsRequest{Workload: strings.Repeat("x", nex.MaxRequestBytes)})
	wantCode(t, err, nex.CodeRequestTooLarge, "more than the 1048576 allowed")
}

// Without permission NATS just drops what is sent; the client says so rather than that nobody answers.
func TestDenied(t *testing.T) {
	t.Parallel()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		denied := &server.SubjectPermission{Deny: []string{"$NEX.>"}}
		o.Users = []*server.User{
			{Username: "guest", Password: "x", Permissions: &server.Permissions{Publish: denied, Subscribe: denied}},
			{Username: "node", Password: "x"},
		}
		o.NoAuthUser = "node"
	})
	r := rigOn(t, s, client.Config{Timeout: 100 * time.Millisecond, Wait: 100 * time.Millisecond}, nats.UserInfo("guest", "x"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // else the library prints
	r.on("$NEX.>", func(m *nats.Msg) { t.Errorf("%s got through", m.Subject) })
	all := calls(r.client, nodeA)
	all["discover"] = func(ctx context.Context) error { _, err := r.client.Discover(ctx); return err }
	all["events"] = func(ctx context.Context) error {
		return r.client.WatchEvents(ctx, client.EventFilter{}, func() { t.Error("ready") }, func(nex.Event) {})
	}
	all["log lines"] = func(ctx context.Context) error {
		return r.client.FollowLogs(ctx, client.LogFilter{}, func() { t.Error("ready") }, func(nex.LogSource, nex.LogRecord) {})
	}
	for name, call := range all {
		err := call(t.Context())
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "the connection may not use subject $NEX.") {
			t.Errorf("%s: error = %v, want %v", name, err, nats.ErrPermissionViolation)
		}
	}
}
