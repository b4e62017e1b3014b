package refusals_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn/refusals"
	"github.com/nex-engine/nex/internal/natstest"
)

const within = 20 * time.Second

// connect makes a connection that may use nothing below no, and counts what its own handler is told.
func connect(t *testing.T) (nc *nats.Conn, told *atomic.Int32) {
	t.Helper()
	s := natstest.Run(t, func(o *server.Options) {
		o.JetStream = false
		no := &server.SubjectPermission{Deny: []string{"no.>"}}
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: no, Subscribe: no}}}
	})
	told = new(atomic.Int32)
	return natstest.Connect(t, s, nats.UserInfo("u", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { told.Add(1) })), told
}

func flush(t *testing.T, w *refusals.Watch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// The connection remembers the last refusal; a Watch knows all of them, for what they are.
func TestWatch(t *testing.T) {
	t.Parallel()
	nc, told := connect(t)
	const many = 50
	for range 2 { // what one has heard is nothing to the next
		told.Store(0)
		w := refusals.On(nc)
		flush(t, w)
		if err := w.Publish("no.0"); err != nil {
			t.Errorf("before anything was used: %v", err)
		}
		for i := range many {
			if err := nc.Publish("no."+strconv.Itoa(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		sub, err := nc.SubscribeSync("no.sub")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(nc.Publish("yes", nil), nc.Publish("no.last", nil)); err != nil {
			t.Fatal(err)
		}
		flush(t, w)
		for i := range many {
			if err := w.Publish("no." + strconv.Itoa(i)); !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("publish to no.%d: %v", i, err)
			}
		}
		if err := w.Subscribe("no.sub"); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("subscribe to no.sub: %v", err)
		}
		for _, err := range []error{w.Publish("yes"), w.Publish("no"), w.Publish("no.sub"), w.Subscribe("no.1"), w.Subscribe("no.last")} {
			if err != nil {
				t.Errorf("not refused: %v", err)
			}
		}
		if got := told.Load(); got != many+2 {
			t.Errorf("the handler of the connection was told %d errors, want %d", got, many+2)
		}
		w.Stop()
		_ = sub.Unsubscribe()
	}
	nc.ErrorHandler()(nc, nil, nil)
	if got := told.Load(); got != many+3 {
		t.Errorf("the connection has not got its handler back: it was told %d errors", got)
	}
}

func TestFlushFails(t *testing.T) {
	t.Parallel()
	nc, _ := connect(t)
	w := refusals.On(nc)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flush without time: %v", err)
	}
	nc.Close()
	ctx, cancel = context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := w.Flush(ctx); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("flush of a closed connection: %v", err)
	}
}

// A connection may have no handler of its own.
func TestWithoutHandler(t *testing.T) {
	t.Parallel()
	nc, _ := connect(t)
	nc.SetErrorHandler(nil)
	w := refusals.On(nc)
	defer w.Stop()
	if err := nc.Publish("no.1", nil); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	if err := w.Publish("no.1"); err == nil {
		t.Error("the refusal was not heard")
	}
}
