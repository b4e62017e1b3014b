package image

import (
	"context"

	nex "github.com/nex-engine/nex"
)

// Resolve is the function [Resolve] for the node's own platform and rules.
func (s *Store) Resolve(ctx context.Context, ref Reference) (digest string, bytes int64, err error) {
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
		e, f, err := s.board(ref)
		if err != nil {
			return nil, err
		}
		if e == nil {
			e, err = s.wait(ctx, f, ref)
			if err != nil && ctx.Err() == nil && f.ref.Location.String() != ref.Location.String() {
				continue // what failed was another's location: try with one's own
			}
			if err != nil {
				return nil, err
			}
		}
		if m := s.handle(e); m != nil {
			return m, nil
		}
	}
}

// board returns the pinned entry of an image that is there, or a flight that brings it and counts the
// caller among its waiters.
func (s *Store) board(ref Reference) (*entry, *flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fail(errClosed, nex.CodeArtifactUnavailable, "image %s is unavailable: %v", ref, errClosed)
	}
	if e := s.index.entries[ref.Digest]; e != nil && e.checked {
		s.index.pin(e)
		return e, nil, nil
	}
	if f := s.flights[ref.Digest]; f != nil {
		f.waiters++
		return nil, f, nil
	}
	return nil, s.takeOffLocked(ref), nil
}

// unpin ends a use, and evicts if that makes it possible to keep the limit. Nobody waits for that: to
// remove an image takes a while.
func (s *Store) unpin(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.pins--
	if !s.closed && s.index.victim() != nil {
		s.running.Go(s.evict)
	}
}
