package artifact

import (
	"fmt"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/castore"
)

// Ref says which artifact is wanted and where it lies.
type Ref struct {
	Location nex.Location
	// JSDomain is the JetStream domain of a nats location; "" is the connection's own.
	JSDomain string
	// Digest is the sha256 of the artifact, in lower-case hex. If it is "" nothing is verified and
	// Fetch always downloads.
	Digest string
	// MaxBytes is how large the artifact may be; 0 is no limit.
	MaxBytes int64
}

// check refuses a Ref that is malformed.
func (r Ref) check() error {
	if r.Digest != "" && !castore.IsDigest(r.Digest) {
		return nex.Errorf(nex.CodeInvalidRequest, "the artifact's digest is not a sha256 in lower-case hex")
	}
	if r.MaxBytes < 0 {
		return fmt.Errorf("artifact size limit %d is negative", r.MaxBytes)
	}
	if strings.ContainsAny(r.JSDomain, ".*> \t\r\n\f\x00") {
		return nex.Errorf(nex.CodeInvalidRequest, "jsdomain %q is not the name of a JetStream domain", clip(r.JSDomain))
	}
	if r.Location.Opaque != "" { // it would hide the host and the path
		return nex.Errorf(nex.CodeInvalidRequest, "invalid artifact location %q: it is opaque; use scheme://host/path", r.String())
	}
	return r.Location.Check()
}

// checkSize refuses an artifact that is larger than the Ref allows.
func (r Ref) checkSize(size int64) error {
	if r.MaxBytes == 0 || size <= r.MaxBytes {
		return nil
	}
	return fmt.Errorf("%w: artifact %s has %d bytes, %d are allowed", nex.ErrArtifactTooLarge, r, size, r.MaxBytes)
}

// checkDigest refuses content with another digest than the Ref's.
func (r Ref) checkDigest(digest string) error {
	if r.Digest == "" || digest == r.Digest {
		return nil
	}
	return nex.Errorf(nex.CodeDigestMismatch, "artifact %s has sha256 %s, not %s as the request says: sign the request with the digest of what lies there", r, digest, r.Digest)
}

// source is the same for two fetches of the same digest that would do the same. It can have secrets in it.
func (r Ref) source() string {
	return fmt.Sprintf("%s %s %d", r.Location.String(), r.JSDomain, r.MaxBytes)
}

// String is the location, without what could be secret in it.
func (r Ref) String() string {
	l := r.Location
	l.User, l.Fragment, l.RawFragment = nil, "", ""
	if l.RawQuery != "" {
		l.RawQuery = "..."
	}
	return clip(l.String())
}

// clip shortens a string from outside for use in a message.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
