package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"os"

	nex "github.com/nex-engine/nex"
)

// copyBuffer is how much of an artifact is in memory at a time, besides what its source buffers.
const copyBuffer = 128 << 10

// obtain returns the entry of a verified file with one pin: one that is there, or a new one.
func (c *Cache) obtain(ctx context.Context, ref Ref) (*entry, error) {
	if e, err := c.verified(ctx, ref); e != nil || err != nil {
		return e, err
	}
	src, err := c.sources.of(ref)
	if err != nil {
		return nil, err
	}
	e, err := c.transfer(ctx, ref, src)
	if stored, ok := src.(natsSource); ok && stored.settles(ctx, err) {
		e, err = c.transfer(ctx, ref, src)
	}
	return e, err
}

// transfer fetches an artifact from its source.
func (c *Cache) transfer(ctx context.Context, ref Ref, src source) (*entry, error) {
	m, body, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close() // only read
	if err := m.check(ref); err != nil {
		return nil, err
	}
	return c.download(ctx, ref, m, body)
}

// download writes body to a partial file and makes it an entry. Nothing is left if it fails.
func (c *Cache) download(ctx context.Context, ref Ref, m meta, body io.Reader) (_ *entry, err error) {
	part, err := c.newPartial(c.dir)
	if err != nil {
		return nil, notStored(ref, err)
	}
	defer func() {
		if err != nil {
			_ = part.Close() // harmless the second time
			c.removePartial(part.Name())
		}
	}()
	to := &sink{file: part, hash: sha256.New()}
	if err := fill(to, body, ref); err != nil {
		return nil, err
	}
	digest := hex.EncodeToString(to.hash.Sum(nil))
	if err := checkContent(ref, m, digest); err != nil {
		return nil, err
	}
	if err := part.Chmod(0o400); err != nil {
		return nil, notStored(ref, err)
	}
	if err := part.Close(); err != nil {
		return nil, notStored(ref, err)
	}
	if ctx.Err() != nil {
		return nil, unavailable(ref, context.Cause(ctx))
	}
	return c.commit(ref, part.Name(), digest, to.size)
}

// fill copies the body, up to what the Ref allows: the source may have said less than it sends.
func fill(to *sink, body io.Reader, ref Ref) error {
	from := struct{ io.Reader }{body} // without WriteTo, which would go round the buffer
	if ref.MaxBytes > 0 {
		from.Reader = io.LimitReader(body, ref.MaxBytes+1)
	}
	_, err := io.CopyBuffer(to, from, make([]byte, copyBuffer))
	switch {
	case to.err != nil:
		return notStored(ref, to.err)
	case err != nil:
		return brokeOff(ref, to.size, err)
	}
	return ref.checkSize(to.size)
}

// checkContent compares the digest of what came with what should have come.
func checkContent(ref Ref, m meta, digest string) error {
	if m.digest != "" && digest != m.digest {
		return nex.Errorf(nex.CodeDigestMismatch, "artifact %s is damaged where it lies: upload it again", ref)
	}
	return ref.checkDigest(digest)
}

// commit gives a complete file its name and returns its entry with one pin.
func (c *Cache) commit(ref Ref, partial, digest string, size int64) (*entry, error) {
	return c.index.Place(digest, size, struct{}{}, func(there *entry) error {
		if there != nil && c.intact(there) { // somebody may be using it
			c.removePartial(partial)
			return nil
		}
		if err := os.Rename(partial, c.path(digest)); err != nil {
			return notStored(ref, err)
		}
		return nil
	})
}

// sink is a file that is hashed while it is written. It keeps its own error apart from those of
// the source that io.Copy reads.
type sink struct {
	file io.Writer
	hash hash.Hash
	size int64
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	s.err = err
	return n, err
}
