package image

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image/rootfs"
)

// obtain returns the entry of the image that a Reference means, with one pin, and brings it if it is
// not there.
func (s *Store) obtain(ctx context.Context, ref Reference) (*entry, error) {
	if e := s.present(ref.Digest); e != nil {
		return e, nil
	}
	f, src, err := s.sources.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer src.close()
	done, err := s.turn(ctx, f.digest)
	if err != nil {
		return nil, gaveUp(ctx, ref)
	}
	defer done()
	if e := s.present(f.digest); e != nil {
		return e, nil
	}
	e, err := s.bring(ctx, ref, f)
	if err != nil && ctx.Err() != nil {
		return nil, gaveUp(ctx, ref)
	}
	return e, err
}

// turn waits until nobody else brings the image: two references can mean the same. The caller calls
// done.
func (s *Store) turn(ctx context.Context, digest string) (done func(), err error) {
	for {
		s.turnsMu.Lock()
		other := s.turns[digest]
		if other == nil {
			mine := make(chan struct{})
			s.turns[digest] = mine
			s.turnsMu.Unlock()
			return func() {
				s.turnsMu.Lock()
				delete(s.turns, digest)
				s.turnsMu.Unlock()
				close(mine)
			}, nil
		}
		s.turnsMu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// present returns the entry of an image that is in the store, with one pin. One from an earlier process
// is measured first; a damaged one is removed. The entry is nil then, as it is when there is none.
func (s *Store) present(digest string) *entry {
	e, checked := s.index.Pin(digest)
	if e == nil || checked {
		return e
	}
	if !s.intact(e) {
		s.log.Warn("an image of the store was damaged; it is brought again", "digest", digest)
		s.index.Discard(e)
		s.index.Unpin(e)
		return nil
	}
	s.index.SetChecked(e)
	return e
}

// intact reports whether the root of an image has the size that it had.
func (s *Store) intact(e *entry) bool {
	size, err := measure(filepath.Join(s.path(e.Digest), rootName))
	return err == nil && size == e.Value.Size
}

func measure(dir string) (rootfs.Size, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return rootfs.Size{}, err
	}
	defer root.Close() // only read
	return rootfs.Measure(root)
}

// bring unpacks an image into the store. The entry has one pin.
func (s *Store) bring(ctx context.Context, ref Reference, f *found) (*entry, error) {
	if f.bytes() > s.limits.Bytes {
		return nil, nex.Errorf(nex.CodeArtifactTooLarge, "image %s has layers of %d bytes, %d are allowed: make it smaller, or raise the limit on the node", ref, f.bytes(), s.limits.Bytes)
	}
	partial, err := os.MkdirTemp(s.dir, partialPrefix)
	if err != nil {
		return nil, notUnpacked(ref, err)
	}
	n, err := s.unpack(ctx, ref, f, partial)
	if err != nil {
		s.removePartial(partial)
		return nil, notUnpacked(ref, err)
	}
	e, err := s.adopt(partial, f.digest, n)
	if err != nil {
		s.removePartial(partial)
		return nil, notUnpacked(ref, err)
	}
	s.index.Evict()
	return e, nil
}

// adopt gives a complete image its name. The entry has one pin.
func (s *Store) adopt(partial, digest string, n note) (*entry, error) {
	data, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(partial, noteName), data, 0o600); err != nil {
		return nil, err
	}
	return s.index.Place(digest, n.Size.Bytes, n, func(*entry) error { return os.Rename(partial, s.path(digest)) })
}
