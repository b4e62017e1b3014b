package artifact

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/natsconn/jserror"
)

// maxLinks bounds how many links lead to an object.
const maxLinks = 8

// natsSource is an object of an object store, looked for on several connections in turn.
type natsSource struct {
	ref   Ref
	conns []*nats.Conn
	stall time.Duration
}

// object is where an object was found, links followed.
type object struct {
	store jetstream.ObjectStore
	info  *jetstream.ObjectInfo
}

func (s natsSource) stat(ctx context.Context) (meta, error) {
	var m meta
	err := s.each(ctx, func(nc *nats.Conn) error {
		g := newGuard(ctx, s.stall)
		defer g.stop()
		o, err := s.find(g, nc)
		if err != nil {
			return err
		}
		m = o.meta()
		return nil
	})
	return m, err
}

func (s natsSource) open(ctx context.Context) (meta, io.ReadCloser, error) {
	var m meta
	var body io.ReadCloser
	err := s.each(ctx, func(nc *nats.Conn) error {
		g := newGuard(ctx, s.stall)
		var o object
		var content jetstream.ObjectResult
		err := s.settled(g.ctx, nc, func() (err error) {
			o, content, err = s.get(g, nc)
			return err
		})
		if err != nil {
			g.stop()
			return err
		}
		g.pause()
		m, body = o.meta(), objectBody{guarded: guarded{guard: g, body: content}, source: s}
		return nil
	})
	return m, body, err
}

// get looks the object up and begins to read it.
func (s natsSource) get(g *guard, nc *nats.Conn) (object, jetstream.ObjectResult, error) {
	o, err := s.look(g, nc)
	if err != nil {
		return object{}, nil, err
	}
	content, err := o.store.Get(readContext{g.ctx}, o.info.Name)
	if err != nil {
		return object{}, nil, s.failure(g.explain(err))
	}
	if info, err := content.Info(); err == nil && info.NUID != o.info.NUID {
		_ = content.Close() // nothing of it was read
		return object{}, nil, notFound(s.ref, jetstream.ErrObjectNotFound, "it was replaced while it was looked up")
	}
	return o, content, nil
}

// each tries the connections in turn, until one has the artifact that the Ref means. If none has,
// it returns the error that says most.
func (s natsSource) each(ctx context.Context, try func(*nats.Conn) error) error {
	var worst error
	for _, nc := range s.conns {
		err := try(nc)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if worst == nil || weight(err) > weight(worst) {
			worst = err
		}
	}
	return worst
}

// weight orders errors of several connections by how much they say about the artifact: that there
// is a wrong one, that it could not be looked for, that there is none, that there cannot be one.
func weight(err error) int {
	switch {
	case jserror.Missing(err):
		return 0
	case nex.CodeOf(err) == nex.CodeArtifactNotFound:
		return 1
	case nex.CodeOf(err) == nex.CodeArtifactUnavailable:
		return 2
	}
	return 3
}

// find is look for an object that may have been uploaded just now.
func (s natsSource) find(g *guard, nc *nats.Conn) (o object, err error) {
	err = s.settled(g.ctx, nc, func() (err error) {
		o, err = s.look(g, nc)
		return err
	})
	return o, err
}

// look looks the object up, follows links, and refuses it if it cannot be the one that the Ref
// means.
func (s natsSource) look(g *guard, nc *nats.Conn) (object, error) {
	o, err := s.lookUp(readContext{g.ctx}, nc)
	if err != nil {
		return object{}, s.failure(g.explain(err))
	}
	return o, o.meta().check(s.ref)
}

func (s natsSource) lookUp(ctx context.Context, nc *nats.Conn) (object, error) {
	if err := natsconn.CheckJetStream(nc); err != nil {
		return object{}, err
	}
	js, err := jetStream(nc, s.ref.JSDomain)
	if err != nil {
		return object{}, err
	}
	bucket, name := s.ref.Location.Bucket(), s.ref.Location.Key()
	for range maxLinks {
		store, err := js.ObjectStore(ctx, bucket)
		if err != nil {
			return object{}, err
		}
		info, err := store.GetInfo(ctx, name)
		if err != nil {
			return object{}, err
		}
		if info.Opts == nil || info.Opts.Link == nil {
			return object{store: store, info: info}, nil
		}
		bucket, name = info.Opts.Link.Bucket, info.Opts.Link.Name
		if name == "" {
			return object{}, jetstream.ErrCantGetBucket
		}
	}
	return object{}, fmt.Errorf("more than %d links lead to it", maxLinks)
}

// objectBody is the content of an object.
type objectBody struct {
	guarded
	source natsSource
}

func (b objectBody) Read(p []byte) (int, error) {
	for {
		n, err := b.guarded.Read(p)
		switch {
		case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
			continue // the end of a readSlice, not of the ctx
		case errors.Is(err, jetstream.ErrDigestMismatch):
			err = b.source.failure(err)
		}
		return n, err
	}
}

// jetStream returns JetStream in a domain, or in the connection's own for "".
func jetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain == "" {
		return jetstream.New(nc)
	}
	return jetstream.NewWithDomain(nc, domain)
}

// meta is what the object's description says, which whoever put it there may have made up.
func (o object) meta() meta {
	return meta{size: int64(min(o.info.Size, math.MaxInt64)), digest: objectDigest(o.info.Digest)}
}

// objectDigest turns the digest of an object, "SHA-256=" and base64, into hex. It returns "" for
// one that it does not understand.
func objectDigest(s string) string {
	if !strings.HasPrefix(s, "SHA-256=") {
		return ""
	}
	sum, err := jetstream.DecodeObjectDigest(s)
	if err != nil {
		return ""
	}
	if h := hex.EncodeToString(sum); castore.IsDigest(h) {
		return h
	}
	return ""
}

// failure turns an error of the object store into one for a client.
func (s natsSource) failure(err error) error {
	bucket, key := clip(s.ref.Location.Bucket()), clip(s.ref.Location.Key())
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound):
		return notFound(s.ref, err, fmt.Sprintf("there is no object store bucket %q: create it and upload the artifact", bucket))
	case errors.Is(err, jetstream.ErrObjectNotFound):
		return notFound(s.ref, err, fmt.Sprintf("bucket %q has no object %q: upload it first", bucket, key))
	case errors.Is(err, jetstream.ErrCantGetBucket):
		return notFound(s.ref, err, "it is a link to a bucket, not an object")
	case errors.Is(err, jetstream.ErrInvalidStoreName):
		return fail(err, nex.CodeInvalidRequest, "invalid artifact location %s: a bucket name has letters, digits, _ and - only", s.ref)
	case errors.Is(err, jetstream.ErrDigestMismatch):
		return fail(err, nex.CodeDigestMismatch, "artifact %s is damaged in its bucket: upload it again", s.ref)
	case jserror.Missing(err) && s.ref.JSDomain != "":
		return fail(err, nex.CodeArtifactUnavailable, "artifact %s is unavailable: JetStream is not enabled in domain %q, or there is no such domain", s.ref, s.ref.JSDomain)
	case jserror.Missing(err):
		return fail(err, nex.CodeArtifactUnavailable, "artifact %s is unavailable: JetStream is not enabled for the node's NATS connection: enable it on the server and for the account", s.ref)
	case jserror.Explain(err) != "":
		return fail(err, nex.CodeArtifactUnavailable, "artifact %s is unavailable: %s", s.ref, jserror.Explain(err))
	}
	return unavailable(s.ref, err)
}

// readSlice is how long a read of an object may wait until it looks whether its ctx has ended.
const readSlice = 250 * time.Millisecond

// readContext is a ctx whose deadline is always a moment ahead, and which does not end then.
//
// An object store takes the deadline of the ctx of Get as the deadline of each Read, and without
// one gives the whole object five seconds. A Read does not notice that the ctx has ended before
// that deadline; at the deadline it fails with os.ErrDeadlineExceeded and can be called again.
type readContext struct{ context.Context }

func (readContext) Deadline() (time.Time, bool) { return time.Now().Add(readSlice), true }
