package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/jserror"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// answerTimeout bounds the wait for the answers of a server that has let the connection in.
const answerTimeout = 5 * time.Second

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
}

// Check connects, and tries what a node with this id does there: each subject that it must be allowed to use, and
// JetStream. Nobody notices.
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
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	server.Path = natsconn.ConnectedURL(nc)
	g := checklist.NewGroup("NATS", server.Path)
	g.Add(server.Found(), version(nc))
	for _, p := range controlPermissions(node) {
		g.Add(p.try(ctx, nc))
	}
	answers := inboxes(ctx, nc)
	g.Add(answers...)
	if answers[0].OK { // else no answer about JetStream could get through either
		g.Add(n.artifacts(ctx, nc)...)
	}
	return g
}

// version is that of the server.
func version(nc *nats.Conn) checklist.Item {
	item := checklist.Item{Name: "version", Path: nc.ConnectedServerVersion(), Description: "version of the NATS server", Optional: true}
	return item.Unless(natsconn.CheckJetStream(nc))
}

// artifacts looks for JetStream, and for what it takes to fetch artifacts from there. To look for the bucket is
// what a node does first, and whether it is there does not matter.
func (n NATS) artifacts(ctx context.Context, nc *nats.Conn) []checklist.Item {
	item := checklist.Item{
		Name: "jetstream", Path: "JetStream", Description: "object stores, from which nodes take what nex devrun uploads", Optional: true,
	}
	js, err := n.JetStream(nc)
	if err != nil {
		return []checklist.Item{item.Missing(withoutPrefix(err))}
	}
	api := apiPrefix(js.Options())
	look := publishing(api+"STREAM.INFO.OBJ_"+n.Bucket, api+"STREAM.INFO.OBJ_"+n.Bucket, "to fetch what nex devrun uploads").optional("artifacts")
	items := []checklist.Item{look.try(ctx, nc)}
	if items[0].OK {
		items = append([]checklist.Item{lookForJetStream(ctx, js, n.Bucket, item)}, items...)
	}
	for _, p := range artifactPermissions(api, n.Bucket) {
		items = append(items, p.try(ctx, nc))
	}
	return items
}

// apiPrefix begins the subjects of JetStream.
func apiPrefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	}
	return jetstream.DefaultAPIPrefix
}

func lookForJetStream(ctx context.Context, js jetstream.JetStream, bucket string, item checklist.Item) checklist.Item {
	_, err := js.Stream(ctx, "OBJ_"+bucket)
	const or = ", or deploy only what lies elsewhere"
	switch {
	case err == nil, errors.Is(err, jetstream.ErrStreamNotFound):
		return item.Found()
	case jserror.Explain(err) != "":
		return item.Missing(jserror.Explain(err) + or)
	}
	return item.Missing(fmt.Sprintf("it gives no information (%s): check the NATS server", withoutPrefix(err)) + or)
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "nats: ") }
