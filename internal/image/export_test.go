package image

import (
	"context"
	"net"
)

// Dial makes the store connect to addr whatever it is told to connect to. Call it before Get.
func (s *Store) Dial(addr string) {
	s.sources.registry.transport.base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
}

// Repository is what a registry is asked for, and the error of a reference that is malformed.
func (r Reference) Repository() (string, error) {
	if err := r.check(); err != nil || r.Location.Scheme != SchemeOCI {
		return "", err
	}
	n, err := r.parse(false)
	return n.repository.RepositoryStr(), err
}

// Waiters is how many callers wait for the image with a digest.
func (s *Store) Waiters(digest string) int { return s.index.Waiters(digest) }
