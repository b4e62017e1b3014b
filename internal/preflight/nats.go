package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/jserror"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// NATS is how the node connects.
type NATS struct {
	// URL is where, without passwords, as far as it is known.
	URL string
	// Connect makes the connection, which Check closes. Its error says what to do.
	Connect func(context.Context) (*nats.Conn, error)
	// JetStream returns the JetStream of the connection.
	JetStream func(*nats.Conn) (jetstream.JetStream, error)
	// Bucket is the object store from which the node is to fetch artifacts.
	Bucket string
	// OwnServer says that the node itself starts a server, so that none need be there before.
	OwnServer bool
	// Services are the host services that use this connection; nil if they have one of their own, or are not known.
	Services *config.Services
}

// Check connects, and tries what a node with this id does there: each subject that it must be allowed to use, what
// its host services should, and JetStream. Nobody notices. Each wait for the server is as long as connecting may take.
func (n NATS) Check(ctx context.Context, node string) checklist.Group {
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
	server.Path = natsconn.ConnectedURL(nc)
	g := checklist.NewGroup("NATS", server.Path)
	js, failed := n.JetStream(nc)
	var artifacts, services []permission
	if failed == nil {
		place := placeOf(js.Options())
		artifacts = artifactPermissions(place, n.Bucket)
		if n.Services != nil {
			services = hostPermissions(place, *n.Services)
		}
	}
	found, err := tryAll(ctx, nc, controlPermissions(node), inboxPermissions(nc), artifacts, services)
	if err != nil {
		g.Add(server.Missing(err.Error() + ", or give it longer with --timeout"))
		return g
	}
	g.Add(server.Found(), version(nc))
	asks, answers := found[1][0], found[1][1]
	g.Add(found[0]...)
	g.Add(asks, answering(ctx, nc, answers, asks.OK))
	switch {
	case failed != nil:
		g.Add(jetStream.Missing(withoutPrefix(failed)))
	case asks.OK && found[2][0].OK: // else no answer about JetStream could get through
		g.Add(n.lookForJetStream(ctx, nc, js))
	}
	g.Add(found[2]...)
	g.Add(found[3]...)
	return g
}

// version is that of the server.
func version(nc *nats.Conn) checklist.Item {
	item := checklist.Item{Name: "version", Path: nc.ConnectedServerVersion(), Description: "version of the NATS server", Optional: true}
	return item.Unless(natsconn.CheckJetStream(nc))
}

// placeOf is where a client finds JetStream.
func placeOf(o jetstream.JetStreamOptions) natsconn.JetStreamPlace {
	prefix := strings.TrimSuffix(o.APIPrefix, ".")
	if o.Domain != "" || prefix+"." == jetstream.DefaultAPIPrefix {
		prefix = ""
	}
	return natsconn.JetStreamPlace{Domain: o.Domain, APIPrefix: prefix}
}

var jetStream = checklist.Item{
	Name: "jetstream", Path: "JetStream", Description: "object stores, from which nodes take what nex devrun uploads", Optional: true,
}

// lookForJetStream looks for the bucket, as a node does first to fetch an artifact. Whether it is there does not
// matter.
func (n NATS) lookForJetStream(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) checklist.Item {
	ctx, cancel := bounded(ctx, nc)
	defer cancel()
	_, err := js.Stream(ctx, "OBJ_"+n.Bucket)
	const or = ", or deploy only what lies elsewhere"
	switch {
	case err == nil, errors.Is(err, jetstream.ErrStreamNotFound):
		return jetStream.Found()
	case jserror.Explain(err) != "":
		return jetStream.Missing(jserror.Explain(err) + or)
	}
	return jetStream.Missing(fmt.Sprintf("it gives no information (%s): check the NATS server", withoutPrefix(err)) + or)
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "nats: ") }
