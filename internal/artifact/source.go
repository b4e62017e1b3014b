package artifact

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// source is a place that the artifact of one Ref comes from. Its errors are ready for a client.
type source interface {
	// stat says what lies there without fetching it.
	stat(ctx context.Context) (meta, error)
	// open starts to fetch. The caller closes the body; ctx bounds it until then.
	open(ctx context.Context) (meta, io.ReadCloser, error)
}

// meta is what a source says about an artifact before its content is read. It may be wrong.
type meta struct {
	size   int64  // -1: it does not say
	digest string // sha256 in lower-case hex; "": it does not say
}

// check refuses an artifact that cannot be the one the Ref means.
func (m meta) check(ref Ref) error {
	if m.digest != "" {
		if err := ref.checkDigest(m.digest); err != nil {
			return err
		}
	}
	return ref.checkSize(m.size)
}

// sources makes the source of a Ref.
type sources struct {
	conns     []*nats.Conn
	allowFile bool
	https     *http.Client
	owned     bool // https is ours to close
	stall     time.Duration
}

func newSources(cfg Config) sources {
	s := sources{conns: distinct(cfg.NATS), allowFile: cfg.AllowFile, stall: cfg.Stall, owned: cfg.HTTPClient == nil}
	s.https = newHTTPSClient(cfg.HTTPClient)
	return s
}

func (s sources) close() {
	if s.owned {
		s.https.CloseIdleConnections()
	}
}

// of returns the source of a Ref, which it checks. It does no I/O.
func (s sources) of(ref Ref) (source, error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	switch ref.Location.Scheme {
	case nex.SchemeNATS:
		if len(s.conns) == 0 {
			return nil, nex.Errorf(nex.CodeArtifactUnavailable, "artifact %s is unavailable: the node has no NATS connection for artifacts", ref)
		}
		return natsSource{ref: ref, conns: s.conns, stall: s.stall}, nil
	case nex.SchemeFile:
		if !s.allowFile {
			return nil, nex.Errorf(nex.CodeLocationDenied, "artifact %s is a file on the node, which this node does not allow: use nats://BUCKET/key, or set allow_file_artifacts on the node", ref)
		}
		return fileSource{ref: ref}, nil
	case nex.SchemeHTTPS:
		return httpsSource{ref: ref, client: s.https, stall: s.stall}, nil
	}
	return nil, fmt.Errorf("artifact %s: no source for scheme %s", ref, ref.Location.Scheme)
}

// distinct drops repeated connections: control and workload may be the same.
func distinct(conns []*nats.Conn) []*nats.Conn {
	var d []*nats.Conn
	seen := make(map[*nats.Conn]bool)
	for _, nc := range conns {
		if !seen[nc] {
			seen[nc] = true
			d = append(d, nc)
		}
	}
	return d
}
