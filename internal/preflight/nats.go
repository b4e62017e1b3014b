package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// answerTimeout bounds the wait for each answer of a server that has let the connection in.
const answerTimeout = 5 * time.Second

// NATS is how the node connects.
type NATS struct {
	// URL is where, without passwords, as far as it is known.
	URL string
	// Connect makes the connection, which Check closes. Its error says what to do.
	Connect func(context.Context) (*nats.Conn, error)
	// JetStream returns the JetStream of the connection.
	JetStream func(*nats.Conn) (jetstream.JetStream, error)
	// OwnServer says that the node itself starts a server, so that none need be there before.
	OwnServer bool
}

// Check connects, makes a round trip on a control subject of its own, and asks for JetStream.
func (n NATS) Check(ctx context.Context) checklist.Group {
	server := checklist.Item{Name: "nats", Path: n.URL, Description: "NATS server", Optional: n.OwnServer}
	nc, err := n.Connect(ctx)
	if err != nil {
		do := err.Error() + " (nex up brings its own NATS)"
		if n.OwnServer {
			do = err.Error() + ", unless it is the one that public_nats_server makes this node start"
		}
		g := checklist.NewGroup("NATS", n.URL)
		g.Add(server.Missing(do))
		return g
	}
	defer nc.Close()
	server.Path = nc.ConnectedUrlRedacted()
	server.Description += " " + nc.ConnectedServerVersion()
	g := checklist.NewGroup("NATS", server.Path)
	g.Add(server.Found())
	control := control(ctx, nc)
	g.Add(control)
	if control.OK { // else no answer about JetStream could get through either
		g.Add(n.jetStream(ctx, nc))
	}
	return g
}

func control(ctx context.Context, nc *nats.Conn) checklist.Item {
	item := checklist.Item{Name: "control", Path: nex.Prefix + ".>", Description: "permission to use the subjects of the control API"}
	err := roundTrip(ctx, nc)
	switch {
	case err == nil:
		return item.Found()
	case errors.Is(err, nats.ErrPermissionViolation):
		return item.Missing(fmt.Sprintf("the NATS server refuses it (%s): allow the node's user to publish and subscribe to %s.>, and to inboxes",
			withoutPrefix(err), nex.Prefix))
	}
	return item.Missing(fmt.Sprintf("no message gets through (%s): check the NATS server", withoutPrefix(err)))
}

// patience bounds the wait for an answer. The server tells of a missing permission on the side, and
// no answer comes then, so that this ends the wait as well, as its cause.
func patience(ctx context.Context, nc *nats.Conn) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeout(ctx, answerTimeout)
	ctx, cancel := context.WithCancelCause(ctx)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			cancel(err)
		}
	})
	return ctx, stop
}

// roundTrip asks itself something on a control subject that nobody else knows.
func roundTrip(ctx context.Context, nc *nats.Conn) error {
	ctx, stop := patience(ctx, nc)
	defer stop()
	subject := nex.Prefix + ".preflight." + strings.TrimPrefix(nats.NewInbox(), nats.InboxPrefix)
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(nil) })
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends anyhow
	if _, err = nc.RequestWithContext(ctx, subject, nil); err == nil {
		return nil
	}
	// That nobody subscribes to the subject may be known before the handler is called.
	if denied := nc.LastError(); errors.Is(denied, nats.ErrPermissionViolation) {
		return denied
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (n NATS) jetStream(ctx context.Context, nc *nats.Conn) checklist.Item {
	item := checklist.Item{
		Name: "jetstream", Path: "JetStream", Description: "object stores, from which nodes take what nex devrun uploads", Optional: true,
	}
	js, err := n.JetStream(nc)
	if err == nil {
		ctx, stop := patience(ctx, nc)
		defer stop()
		if _, err = js.AccountInfo(ctx); err != nil && context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
	}
	switch {
	case err == nil:
		return item.Found()
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return item.Missing("the NATS server has none: start it with JetStream (nats-server -js), or deploy only what lies elsewhere")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return item.Missing("the account of this user has none: enable JetStream for the account, or deploy only what lies elsewhere")
	}
	return item.Missing(fmt.Sprintf("it gives no information (%s): allow the node's user to publish to $JS.API.>, or deploy only what lies elsewhere", withoutPrefix(err)))
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "nats: ") }
