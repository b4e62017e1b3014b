package image

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/castore"
)

// Resolve is the function [Resolve] for the node's own platform and rules. For an image that is in the
// store, by the digest of ref, nobody is asked, and nothing has to be downloaded.
func (s *Store) Resolve(ctx context.Context, ref Reference) (digest string, bytes int64, err error) {
	if err := s.sources.check(ref); err != nil {
		return "", 0, err
	}
	if e := s.index.Lookup(ref.Digest); e != nil {
		return e.Digest, 0, nil
	}
	return s.sources.resolve(ctx, ref)
}

// Get returns the image, from the store or after a download, which it waits for. The caller releases
// it. When ctx ends Get returns at once; the download goes on if another caller waits for it, and
// leaves nothing behind if none does.
func (s *Store) Get(ctx context.Context, ref Reference) (*Image, error) {
	if err := s.sources.check(ref); err != nil {
		return nil, err
	}
	for {
		e, err := s.index.Get(ctx, ref.Digest, ref.Location.String(), func(ctx context.Context) (*entry, error) {
			return s.obtain(ctx, ref)
		})
		switch {
		case errors.Is(err, castore.ErrClosed):
			return nil, unavailable(ref, errClosed)
		case errors.Is(err, castore.ErrGaveUp):
			return nil, gaveUp(ctx, ref)
		case err != nil:
			return nil, err
		}
		if m := s.handle(e); m != nil {
			return m, nil
		}
	}
}

// Hold returns an image as it lies in the store, for a sandbox that an earlier process has started and that has
// it as its root; nil if it is not there. The caller releases it.
func (s *Store) Hold(digest string) *Image {
	e, _ := s.index.Pin(digest)
	if e == nil {
		return nil
	}
	return s.handle(e)
}
