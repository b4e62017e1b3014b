package hostservice_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/hostservice"
	"github.com/nex-engine/nex/internal/natstest"
)

// enough is how long what has to end may take before a test fails.
const enough = 20 * time.Second

// rig is a desk on a NATS server of its own.
type rig struct {
	*hostservice.Desk
	server *server.Server
	nc     *nats.Conn // another client of the same account
}

// allEnabled is the configuration that a node has by default.
func allEnabled() config.Services { return config.Default().HostServices.Services }

// newRig makes a desk of the workload default/counter; each edit may change the configuration.
func newRig(t testing.TB, edit ...func(*hostservice.Config)) *rig {
	t.Helper()
	s := natstest.Run(t)
	return &rig{Desk: newDesk(t, s, "default", "counter", edit...), server: s, nc: natstest.Connect(t, s)}
}

func newDesk(t testing.TB, s *server.Server, namespace, workload string, edit ...func(*hostservice.Config)) *hostservice.Desk {
	t.Helper()
	return deskOn(t, openServices(t, edit...), natstest.Connect(t, s), namespace, workload)
}

func openServices(t testing.TB, edit ...func(*hostservice.Config)) *hostservice.Services {
	t.Helper()
	cfg := hostservice.Config{Services: allEnabled()}
	for _, e := range edit {
		e(&cfg)
	}
	services, err := hostservice.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(services.Close)
	return services
}

func deskOn(t testing.TB, services *hostservice.Services, nc *nats.Conn, namespace, workload string) *hostservice.Desk {
	t.Helper()
	d, err := services.Desk(hostservice.DeskConfig{NATS: nc, Namespace: namespace, Workload: workload, ID: "W1", MaxConcurrency: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// call performs a request; meta nil sends none.
func call(ctx context.Context, d *hostservice.Desk, service, method string, meta any, body string) (hostapi.Response, error) {
	r := hostapi.Request{Service: service, Method: method, Body: []byte(body)}
	switch m := meta.(type) {
	case nil:
	case string:
		r.Meta = json.RawMessage(m)
	default:
		var err error
		if r.Meta, err = json.Marshal(m); err != nil {
			return hostapi.Response{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	return d.Handle(ctx, r)
}

// must performs a request that has to succeed.
func must(t testing.TB, d *hostservice.Desk, service, method string, meta any, body string) hostapi.Response {
	t.Helper()
	res, err := call(t.Context(), d, service, method, meta, body)
	if err != nil {
		t.Fatalf("%s %s: %v (%s)", service, method, err, codeOf(err))
	}
	return res
}

// answer reads the metadata of a response.
func answer[T any](t testing.TB, r hostapi.Response) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(r.Meta, &v); err != nil {
		t.Fatalf("metadata %q: %v", r.Meta, err)
	}
	return v
}

// refused checks that a request fails with a code and a sentence that has all the words.
func refused(t testing.TB, d *hostservice.Desk, service, method string, meta any, body string, code hostapi.Code, words ...string) {
	t.Helper()
	_, err := call(t.Context(), d, service, method, meta, body)
	wantError(t, err, code, words...)
}

func wantError(t testing.TB, err error, code hostapi.Code, words ...string) {
	t.Helper()
	if codeOf(err) != code {
		t.Fatalf("error %v with code %q, want code %q", err, codeOf(err), code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not have %q in it", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is not one line", err)
	}
}

func codeOf(err error) hostapi.Code {
	var e *hostapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func key(k string) hostapi.KeyRequest         { return hostapi.KeyRequest{Key: k} }
func name(n string) hostapi.NameRequest       { return hostapi.NameRequest{Name: n} }
func subject(s string) hostapi.MessageRequest { return hostapi.MessageRequest{Subject: s} }
