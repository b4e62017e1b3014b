package artifact

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/castore"
)

// Check finds out whether Fetch could succeed, without downloading: it refuses an artifact that is
// missing, too large, of another digest or out of reach, as far as its source tells. It returns the
// size, or -1 if the source does not tell. An artifact that is in the cache is not looked up.
func (c *Cache) Check(ctx context.Context, ref Ref) (int64, error) {
	src, err := c.sources.of(ref)
	if err != nil {
		return 0, err
	}
	if e := c.index.Lookup(ref.Digest); e != nil {
		return e.Size, ref.checkSize(e.Size)
	}
	m, err := src.stat(ctx)
	if err == nil {
		err = m.check(ref)
	}
	if err != nil && ctx.Err() != nil {
		return 0, gaveUp(ctx, ref)
	}
	if err != nil {
		return 0, err
	}
	return m.size, nil
}

// Fetch returns the artifact, from the cache or after a download, which it waits for. The caller
// releases the File. When ctx ends Fetch returns at once; the download goes on if another caller
// waits for it, and leaves nothing behind if none does.
func (c *Cache) Fetch(ctx context.Context, ref Ref) (*File, error) {
	if _, err := c.sources.of(ref); err != nil {
		return nil, err
	}
	for {
		e, err := c.index.Get(ctx, ref.Digest, ref.source(), func(ctx context.Context) (*entry, error) {
			return c.obtain(ctx, ref)
		})
		switch {
		case errors.Is(err, castore.ErrClosed):
			return nil, unavailable(ref, errClosed)
		case errors.Is(err, castore.ErrGaveUp):
			return nil, gaveUp(ctx, ref)
		case err != nil:
			return nil, err
		}
		if !c.intact(e) {
			c.index.Discard(e)
			c.index.Unpin(e)
			continue
		}
		if err := ref.checkSize(e.Size); err != nil {
			c.index.Unpin(e)
			return nil, err
		}
		return c.handle(e), nil
	}
}
