package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	nex "github.com/nex-engine/nex"
)

// credentialPlaces is where credentials are looked for, for people.
const credentialPlaces = "$DOCKER_CONFIG/config.json, ~/.docker/config.json, $REGISTRY_AUTH_FILE and podman's containers/auth.json"

// registryClient speaks to registries.
type registryClient struct {
	transport *guardedTransport
	insecure  []string
	client    bool // messages are for who runs this process
}

func newRegistryClient(cfg Config) *registryClient {
	return &registryClient{transport: newGuardedTransport(cfg), insecure: cfg.InsecureRegistries, client: cfg.Client}
}

func (c *registryClient) close() { c.transport.base.CloseIdleConnections() }

// source is the source of a Reference that was checked. Credentials are read when it is first used.
func (c *registryClient) source(ref Reference, platform v1.Platform) (source, error) {
	n, err := ref.parse(slices.Contains(c.insecure, ref.Location.Host))
	if err != nil {
		return nil, err
	}
	puller, err := remote.NewPuller(
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(c.transport),
		remote.WithUserAgent("nex"),
		remote.WithRetryBackoff(remote.Backoff{Duration: 300 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}),
		remote.WithRetryPredicate(isPassing),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare to pull image %s: %w", ref, err)
	}
	return &registrySource{ref: ref, name: n, platform: platform, puller: puller, client: c.client}, nil
}

// registrySource is an image in a registry.
type registrySource struct {
	ref      Reference
	name     registryName
	platform v1.Platform
	puller   *remote.Puller
	client   bool
}

func (s *registrySource) close() {}

// find asks for the digest in the location, or else for the one in the Reference, or else for the tag.
func (s *registrySource) find(ctx context.Context) (*found, error) {
	f := finder{ref: s.ref, platform: s.platform, blobs: s}
	digest := s.name.digest
	if digest == "" {
		digest = s.ref.Digest
	}
	var raw []byte
	var err error
	if digest == "" {
		raw, err = s.get(ctx, s.name.repository.Tag(s.name.tag))
		digest = sumOf(raw)
	} else {
		raw, err = s.manifest(ctx, v1.Hash{Algorithm: "sha256", Hex: digest})
	}
	if errors.Is(err, errMissing) {
		return nil, s.missing(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	return f.follow(ctx, raw, digest)
}

// missing says why there is nothing where the image should be: with a digest, the tag may be of
// something else by now.
func (s *registrySource) missing(ctx context.Context, err error) error {
	if s.name.digest == "" && s.ref.Digest != "" {
		if raw, tagErr := s.get(ctx, s.name.repository.Tag(s.name.tag)); tagErr == nil {
			return nex.Errorf(nex.CodeDigestMismatch, "image %s is sha256:%s there, and sha256:%s, as the request says, is not in the registry: sign the request with the digest of what lies there", s.ref, sumOf(raw), s.ref.Digest)
		}
	}
	return notFound(s.ref, err, "the registry has no such name, tag or digest")
}

func (s *registrySource) manifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	raw, err := s.get(ctx, s.name.repository.Digest(digest.String()))
	if err == nil && sumOf(raw) != digest.Hex {
		err = nex.Errorf(nex.CodeDigestMismatch, "image %s: the registry answers with sha256 %s when it is asked for %s", s.ref, sumOf(raw), digest.Hex)
	}
	return raw, err
}

func (s *registrySource) get(ctx context.Context, ref name.Reference) ([]byte, error) {
	d, err := s.puller.Get(ctx, ref)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	if len(d.Manifest) > maxManifest {
		return nil, unusable(s.ref, nil, fmt.Sprintf("has a manifest of %d bytes; at most %d are read", len(d.Manifest), maxManifest))
	}
	return d.Manifest, nil
}

func (s *registrySource) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	l, err := s.puller.Layer(ctx, s.name.repository.Digest(d.Digest.String()))
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	body, err := l.Compressed()
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return body, nil
}

// explain makes an error of the registry ready for a client, or errMissing of it.
func (s *registrySource) explain(ctx context.Context, err error) error {
	host := s.name.repository.RegistryStr()
	var answer *transport.Error
	isAnswer := errors.As(err, &answer)
	who, where := "this node", " on the node"
	if s.client {
		who, where = "you", ""
	}
	switch {
	case ctx.Err() != nil:
		return gaveUp(ctx, s.ref)
	case isAnswer && answer.StatusCode == http.StatusNotFound:
		return errMissing
	case isAnswer && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fail(err, nex.CodeArtifactUnavailable, "image %s is unavailable: the registry %s does not let %s read it (or it does not exist), %s: log in%s with docker login or podman login; credentials are looked for in %s", s.ref, host, who, s.credentials(), where, credentialPlaces)
	case isAnswer: // its text is left out: it can be that of any server that the node reaches
		return unavailable(s.ref, fmt.Errorf("the registry %s answers with status %d%w", host, answer.StatusCode, quiet{err}))
	case errors.Is(err, errPlainHTTP), errors.Is(err, http.ErrSchemeMismatch):
		return fail(err, nex.CodeArtifactUnavailable, "image %s is unavailable: the registry %s does not answer to https, and plain http is for loopback alone: give it a certificate, or deploy the image from a file", s.ref, host)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return unavailable(s.ref, fmt.Errorf("nothing came from the registry %s for a while%w", host, quiet{err}))
	}
	return unavailable(s.ref, err)
}

// isPassing reports whether a request is worth another try: the connection was cut before an answer came.
// Who does not answer at all has been waited for long enough.
func isPassing(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// credentials says whether there are any for the image.
func (s *registrySource) credentials() string {
	auth, err := authn.DefaultKeychain.Resolve(s.name.repository)
	switch {
	case err != nil:
		return "and the credentials cannot be read"
	case auth == authn.Anonymous:
		return "and there are no credentials for it"
	}
	return "in spite of the credentials"
}

// quiet is a cause without words.
type quiet struct{ error }

func (quiet) Error() string   { return "" }
func (q quiet) Unwrap() error { return q.error }

// errPlainHTTP is the cause when http is spoken and must not be.
var errPlainHTTP = errors.New("plain http is not allowed")

// guardedTransport refuses plain http, but for loopback and named hosts, and connections on which
// nothing comes.
type guardedTransport struct {
	base     *http.Transport
	insecure []string
}

func newGuardedTransport(cfg Config) *guardedTransport {
	stall := cfg.Stall
	if stall == 0 {
		stall = DefaultStall
	}
	dialer := &net.Dialer{Timeout: stall}
	return &guardedTransport{insecure: cfg.InsecureRegistries, base: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return impatientConn{Conn: c, stall: stall}, nil
		},
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     stall,
		TLSHandshakeTimeout: stall,
	}}
}

func (t *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !isLoopback(r.URL.Hostname()) && !slices.Contains(t.insecure, r.URL.Host) {
		return nil, fmt.Errorf("%s %s://%s: %w", r.Method, r.URL.Scheme, r.URL.Host, errPlainHTTP)
	}
	return t.base.RoundTrip(r)
}

// isLoopback reports whether a host is this machine by its name. What a name server says does not count.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// impatientConn is a connection that fails when it is read from and nothing comes for a time.
type impatientConn struct {
	net.Conn
	stall time.Duration
}

func (c impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
