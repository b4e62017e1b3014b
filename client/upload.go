package client

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn/jserror"
)

// Upload is an artifact on its way into an object store.
type Upload struct {
	Bucket, Key string
	JSDomain    string // empty means that of the Client's Config
	// Content is read from its start to its end, twice.
	Content io.ReadSeeker
	// Progress is called with the number of bytes sent after each piece; optional. What lies there
	// already is not sent.
	Progress func(sent int64)
}

// pieceTimeout bounds the wait for JetStream to acknowledge one piece of an artifact. The library's
// five seconds are too short: what the system holds back for sending over a slow line takes longer
// than that to get away.
const pieceTimeout = 2 * time.Minute

// Upload puts an artifact into an object store of the connection's account, whose bucket it makes
// if it is missing, and returns where it lies and its sha256 in hex. Content that lies there already
// is not sent again. How long it may take is up to ctx: it fails by itself only when JetStream does
// not answer any more. A failed upload leaves what lay there before.
func (c *Client) Upload(ctx context.Context, u Upload) (nex.Location, string, error) {
	location := nex.Location{Scheme: nex.SchemeNATS, Host: u.Bucket, Path: "/" + u.Key}
	if err := location.Check(); err != nil {
		return location, "", err
	}
	digest, err := digestOf(u.Content)
	if err != nil {
		return location, "", fmt.Errorf("read artifact: %w", err)
	}
	u.JSDomain = c.domain(u.JSDomain)
	if err := c.upload(ctx, u, digest); err != nil {
		return location, "", c.storeError(location, u.JSDomain, err)
	}
	return location, hex.EncodeToString(digest), nil
}

func (c *Client) upload(ctx context.Context, u Upload, digest []byte) error {
	js, err := c.jetStream(u.JSDomain, jetstream.WithDefaultTimeout(pieceTimeout))
	if err != nil {
		return err
	}
	store, there, err := c.openStore(ctx, js, u)
	if err != nil || there == objectDigest(digest) {
		return err
	}
	// The end of ctx reaches the library as a failure to read: it removes then what it has sent.
	longer, cancel := outliving(ctx, c.cfg.Timeout)
	defer cancel()
	info, err := store.Put(longer, jetstream.ObjectMeta{Name: u.Key}, &sending{ctx: ctx, content: u.Content, progress: u.Progress})
	switch {
	case err == nil && info.Digest != objectDigest(digest):
		return errors.New("the artifact was changed while it was sent: upload it again")
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case jserror.Missing(err):
		return errNoLeader // the bucket is there, and nobody takes what is put into it
	}
	return err
}

// errNoLeader says that a bucket can be read but not written.
var errNoLeader = errors.New("the bucket has no leader")

// outliving makes a context that ends when ctx has ended for so long. Cancel ends it at once.
func outliving(ctx context.Context, by time.Duration) (longer context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-longer.Done():
		}
	})
	return longer, func() {
		end()
		if !stop() {
			<-ended
		}
	}
}

// openStore opens the bucket, or makes it, and returns the digest of what lies there already.
func (c *Client) openStore(ctx context.Context, js jetstream.JetStream, u Upload) (store jetstream.ObjectStore, digest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	store, err = js.ObjectStore(ctx, u.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		store, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: u.Bucket, Description: "Artifacts of Nex workloads"})
	}
	if errors.Is(err, jetstream.ErrBucketExists) { // somebody else has made it at the same time
		store, err = js.ObjectStore(ctx, u.Bucket)
	}
	if err != nil {
		return nil, "", err
	}
	info, err := store.GetInfo(ctx, u.Key)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return store, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return store, info.Digest, nil
}

// StoredDigest returns the sha256, in hex, of an artifact in an object store of the connection's
// account, as the store says it. An empty domain means that of the Client's Config.
func (c *Client) StoredDigest(ctx context.Context, location nex.Location, jsDomain string) (string, error) {
	jsDomain = c.domain(jsDomain)
	js, err := c.jetStream(jsDomain)
	if err != nil {
		return "", c.storeError(location, jsDomain, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	store, err := js.ObjectStore(ctx, location.Bucket())
	if err != nil {
		return "", c.storeError(location, jsDomain, err)
	}
	info, err := store.GetInfo(ctx, location.Key())
	if err != nil {
		return "", c.storeError(location, jsDomain, err)
	}
	sum, err := jetstream.DecodeObjectDigest(info.Digest)
	if err != nil || info.Digest != objectDigest(sum) || len(sum) != sha256.Size {
		return "", fmt.Errorf("the object store does not know the sha256 of %s: upload it again", location)
	}
	return hex.EncodeToString(sum), nil
}

// domain is the JetStream domain that a caller means.
func (c *Client) domain(named string) string { return cmp.Or(named, c.cfg.JSDomain) }

func (c *Client) jetStream(domain string, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	switch {
	case domain != "":
		return jetstream.NewWithDomain(c.nc, domain, opts...)
	case c.cfg.JSAPIPrefix != "":
		return jetstream.NewWithAPIPrefix(c.nc, c.cfg.JSAPIPrefix, opts...)
	}
	return jetstream.New(c.nc, opts...)
}

// storeError gives what an object store in a JetStream domain says about an artifact a code and words.
func (c *Client) storeError(at nex.Location, domain string, err error) error {
	switch {
	case errors.Is(err, errNoLeader):
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s cannot be put there because its bucket has no leader: too many of the NATS servers that have it are away, so try again once they are back", at)
	case jserror.Missing(err) && domain != "":
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s is out of reach because JetStream is not enabled in domain %q, or there is no such domain: enable it there, or name another", at, domain)
	case jserror.Missing(err) && c.cfg.JSAPIPrefix != "":
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s is out of reach because no JetStream answers with the API prefix %q: name another, or import it into the account", at, c.cfg.JSAPIPrefix)
	case jserror.Missing(err):
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s is out of reach because JetStream is not enabled for this account: enable it on the NATS server", at)
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrObjectNotFound):
		return nex.Errorf(nex.CodeArtifactNotFound, "%s does not exist: upload it with nats object put", at)
	case jserror.Explain(err) != "":
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s is out of reach: %s", at, jserror.Explain(err))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		if denied := c.deniedStore(); denied != nil {
			return fmt.Errorf("%s is out of reach, as the connection lacks a permission: allow it to its user on the NATS server: %w", at, denied)
		}
		return nex.Errorf(nex.CodeTimeout, "JetStream did not answer in time about %s: check the NATS server, or allow more time with --timeout", at)
	}
	return fmt.Errorf("object store %s: %w", at, err)
}

// deniedStore is the NATS server's refusal of a subject that object stores need, nil if the last that it has refused
// is another.
func (c *Client) deniedStore() error {
	err := c.nc.LastError()
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return nil
	}
	for _, prefix := range []string{"$JS", "$O", cmp.Or(c.nc.Opts.InboxPrefix, nats.InboxPrefix), cmp.Or(c.cfg.JSAPIPrefix, "$JS")} {
		if strings.Contains(err.Error(), ` to "`+strings.TrimSuffix(prefix, ".")+".") {
			return err
		}
	}
	return nil
}

// objectDigest is how the object store writes a sha256.
func objectDigest(sum []byte) string { return "SHA-256=" + base64.URLEncoding.EncodeToString(sum) }

func digestOf(content io.ReadSeeker) ([]byte, error) {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return nil, err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// sending reads content that is on its way, until ctx ends, and tells how much of it was read.
type sending struct {
	ctx      context.Context
	content  io.Reader
	read     int64
	progress func(int64)
}

func (s *sending) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.content.Read(p)
	s.read += int64(n)
	if s.progress != nil && n > 0 {
		s.progress(s.read)
	}
	return n, err
}
