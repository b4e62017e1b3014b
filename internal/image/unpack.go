package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image/rootfs"
)

// maxWindow is how much memory a zstd layer may want for its decompression.
const maxWindow = 64 << 20

// unpack puts the layers of an image into dir/root and returns what is to be kept about it.
func (s *Store) unpack(ctx context.Context, ref Reference, f *found, dir string) (note, error) {
	path := filepath.Join(dir, rootName)
	if err := os.Mkdir(path, 0o755); err != nil {
		return note{}, err
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		return note{}, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return note{}, err
	}
	defer root.Close() // only a handle
	u := rootfs.NewUnpacker(root, s.limits)
	defer u.Close()
	for i, l := range f.layers {
		if err := unpackLayer(ctx, u, ref, i, l); err != nil {
			return note{}, err
		}
	}
	n := note{Config: newRunConfig(f.config.Config)}
	if err := u.MkdirAll(n.Config.WorkingDir); err != nil {
		return note{}, fmt.Errorf("make working directory: %w", err)
	}
	if err := s.makeMountPoints(u); err != nil {
		return note{}, fmt.Errorf("make mount point: %w", err)
	}
	if u.Skipped() > 0 {
		s.log.Debug("device nodes and pipes of an image are left out", "image", ref.String(), "count", u.Skipped())
	}
	n.Size, err = rootfs.Measure(root)
	return n, err
}

// makeMountPoints makes those that the image does not have.
func (s *Store) makeMountPoints(u *rootfs.Unpacker) error {
	for _, name := range s.mounts {
		ensure := u.Touch
		if strings.HasSuffix(name, "/") {
			ensure = u.MkdirAll
		}
		if err := ensure(name); err != nil {
			return err
		}
	}
	return nil
}

// unpackLayer puts the i-th layer on top, and verifies it.
func unpackLayer(ctx context.Context, u *rootfs.Unpacker, ref Reference, i int, l layer) error {
	body, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer body.Close() // only read
	packed := &packedLayer{body: body, size: l.size, sum: sha256.New()}
	plain, err := decompress(packed)
	if err != nil {
		return packed.judge(ctx, ref, i, l, err)
	}
	defer plain.Close() // only read
	sum := sha256.New()
	if err := u.Apply(ctx, io.TeeReader(plain, sum)); err != nil {
		return packed.judge(ctx, ref, i, l, err)
	}
	if err := packed.verify(ref, i, l); err != nil {
		return err
	}
	if got := sumHex(sum); got != l.diffID.Hex {
		return nex.Errorf(nex.CodeDigestMismatch, "layer %d of image %s has the diff id %s, not %s as the image's configuration says: push the image again", i+1, ref, got, l.diffID.Hex)
	}
	return nil
}

// packedLayer is a layer as it lies there, read no further than its size, and hashed.
type packedLayer struct {
	body io.Reader
	size int64
	read int64
	sum  hash.Hash
	err  error // why reading broke off
}

func (p *packedLayer) Read(b []byte) (int, error) {
	if p.read == p.size {
		return 0, io.EOF
	}
	if left := p.size - p.read; int64(len(b)) > left {
		b = b[:left]
	}
	n, err := p.body.Read(b)
	p.read += int64(n)
	p.sum.Write(b[:n])
	if p.read == p.size { // what else there is to say, the digest does
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	p.err = err
	return n, err
}

// judge finds out why a layer could not be unpacked, after err.
func (p *packedLayer) judge(ctx context.Context, ref Reference, i int, l layer, err error) error {
	switch {
	case ctx.Err() != nil:
		return gaveUp(ctx, ref)
	case p.err != nil:
		return unavailable(ref, fmt.Errorf("layer %d broke off after %d of %d bytes: %w", i+1, p.read, p.size, p.err))
	case errors.Is(err, rootfs.ErrTooLarge) || isStorage(err):
		return err
	}
	// What cannot be read because it was damaged on the way is not the author's fault.
	if err := p.verify(ref, i, l); err != nil {
		return err
	}
	return unusable(ref, err, fmt.Sprintf("is refused: layer %d: %v", i+1, err))
}

// verify reads what is left of a layer and refuses one with another digest.
func (p *packedLayer) verify(ref Reference, i int, l layer) error {
	if _, err := io.Copy(io.Discard, p); err != nil {
		return unavailable(ref, fmt.Errorf("layer %d broke off after %d of %d bytes: %w", i+1, p.read, p.size, err))
	}
	if l.digest == nil {
		return nil
	}
	if got := sumHex(p.sum); got != l.digest.Hex {
		return nex.Errorf(nex.CodeDigestMismatch, "layer %d of image %s arrives with sha256 %s, not %s: it is damaged there or on the way; push the image again", i+1, ref, got, l.digest.Hex)
	}
	return nil
}

// decompress undoes the compression that a layer has, told by how it begins: media types are often
// wrong.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 128<<10)
	switch begin, _ := b.Peek(4); { // an error comes again when it is read
	case len(begin) >= 2 && begin[0] == 0x1f && begin[1] == 0x8b:
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("it is not gzip in spite of its beginning: %w", err)
		}
		return readable{z, func() { _ = z.Close() }}, nil
	case string(begin) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("it is not zstd in spite of its beginning: %w", err)
		}
		return readable{z, z.Close}, nil
	}
	return io.NopCloser(b), nil
}

// readable is a decompressed layer. Its errors are about the layer.
type readable struct {
	io.Reader
	close func()
}

func (r readable) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("it cannot be decompressed: %w", err)
	}
	return n, err
}

func (r readable) Close() error {
	r.close()
	return nil
}

func sumHex(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
