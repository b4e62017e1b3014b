package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	nex "github.com/nex-engine/nex"
)

// Upload is an artifact on its way into an object store.
type Upload struct {
	Bucket, Key string
	JSDomain    string
	Content     io.ReadSeeker
	// Progress is called with the number of bytes sent after each piece; optional.
	Progress func(sent int64)
}

// Upload puts an artifact into an object store of the connection's account, whose bucket it makes
// if it is missing, and returns where it lies and its sha256 in hex. Content that lies there already
// is not sent again.
func (c *Client) Upload(ctx context.Context, u Upload) (nex.Location, string, error) {
	location := nex.Location{Scheme: nex.SchemeNATS, Host: u.Bucket, Path: "/" + u.Key}
	digest, err := digestOf(u.Content)
	if err != nil {
		return location, "", fmt.Errorf("read artifact: %w", err)
	}
	if err := c.upload(ctx, u, digest); err != nil {
		return location, "", uploadError(u, err)
	}
	return location, hex.EncodeToString(digest), nil
}

func (c *Client) upload(ctx context.Context, u Upload, digest []byte) error {
	store, err := c.openStore(ctx, u)
	if err != nil {
		return err
	}
	info, err := store.GetInfo(ctx, u.Key)
	if err == nil && info.Digest == objectDigest(digest) {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return err
	}
	_, err = store.Put(ctx, jetstream.ObjectMeta{Name: u.Key}, &countingReader{u.Content, 0, u.Progress})
	return err
}

func (c *Client) openStore(ctx context.Context, u Upload) (jetstream.ObjectStore, error) {
	js, err := jetStream(c.nc, u.JSDomain)
	if err != nil {
		return nil, err
	}
	store, err := js.ObjectStore(ctx, u.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: u.Bucket, Description: "Artifacts of Nex workloads"})
	}
	return store, err
}

// StoredDigest returns the sha256, in hex, of an artifact in an object store of the connection's
// account, as the store says it.
func (c *Client) StoredDigest(ctx context.Context, location nex.Location, jsDomain string) (string, error) {
	u := Upload{Bucket: location.Bucket(), Key: location.Key()}
	js, err := jetStream(c.nc, jsDomain)
	if err != nil {
		return "", uploadError(u, err)
	}
	store, err := js.ObjectStore(ctx, u.Bucket)
	if err != nil {
		return "", uploadError(u, err)
	}
	info, err := store.GetInfo(ctx, u.Key)
	if err != nil {
		return "", uploadError(u, err)
	}
	if len(info.Digest) != len(objectDigest(make([]byte, sha256.Size))) {
		return "", fmt.Errorf("the object store does not know the sha256 of %s: upload it again", location)
	}
	sum, err := base64.URLEncoding.DecodeString(info.Digest[len(digestPrefix):])
	if err != nil {
		return "", fmt.Errorf("the object store does not know the sha256 of %s: upload it again", location)
	}
	return hex.EncodeToString(sum), nil
}

func jetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain != "" {
		return jetstream.NewWithDomain(nc, domain)
	}
	return jetstream.New(nc)
}

func uploadError(u Upload, err error) error {
	at := (&url.URL{Scheme: nex.SchemeNATS, Host: u.Bucket, Path: "/" + u.Key}).String()
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return nex.Errorf(nex.CodeArtifactUnavailable, "%s is out of reach because JetStream is not enabled for this account: enable it on the NATS server", at)
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrObjectNotFound):
		return nex.Errorf(nex.CodeArtifactNotFound, "%s does not exist: upload it with nats object put", at)
	}
	return fmt.Errorf("object store %s: %w", at, err)
}

const digestPrefix = "SHA-256="

// objectDigest is how the object store writes a sha256.
func objectDigest(sum []byte) string { return digestPrefix + base64.URLEncoding.EncodeToString(sum) }

func digestOf(content io.ReadSeeker) ([]byte, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return nil, err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// countingReader tells how much of it has been read.
type countingReader struct {
	io.Reader
	read     int64
	progress func(int64)
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read += int64(n)
	if r.progress != nil && n > 0 {
		r.progress(r.read)
	}
	return n, err
}
