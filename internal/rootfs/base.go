package rootfs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
	unpack "github.com/nex-engine/nex/internal/image/rootfs"
)

// maxWindow is how much memory a zstd archive may want for its decompression.
const maxWindow = 64 << 20

// openBase brings the base into a directory and opens it. It is nil if there is none.
func (b *builder) openBase(ctx context.Context) (*os.Root, error) {
	if b.Base == "" {
		return nil, nil
	}
	if strings.HasPrefix(b.Base, image.SchemeOCI+"://") {
		return b.openImage(ctx, b.Base)
	}
	info, err := os.Stat(b.Base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b.openNamed(ctx)
	case err != nil:
		return nil, fmt.Errorf("the base cannot be read: %w", err)
	case info.Mode().IsRegular():
		return b.openArchive(ctx)
	case !info.IsDir():
		return nil, fmt.Errorf("the base %s is neither a directory nor a file", b.Base)
	}
	if has(b.Base, layoutFile) {
		return b.openFileImage(ctx)
	}
	return os.OpenRoot(b.Base)
}

// Files that an OCI layout has, and what docker save writes.
const (
	layoutFile = "index.json"
	savedFile  = "manifest.json"
)

func has(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// openNamed opens an image by the name that docker has for it.
func (b *builder) openNamed(ctx context.Context) (*os.Root, error) {
	none := fmt.Errorf("there is no base %s: name a directory, an archive, or an image such as oci://docker.io/library/alpine:3", b.Base)
	if strings.HasPrefix(b.Base, ".") || filepath.IsAbs(b.Base) {
		return nil, none
	}
	ref, err := name.ParseReference(b.Base)
	if err != nil {
		return nil, none
	}
	return b.openImage(ctx, image.SchemeOCI+"://"+ref.Name())
}

// openFileImage opens an image that lies on this machine.
func (b *builder) openFileImage(ctx context.Context) (*os.Root, error) {
	path, err := filepath.Abs(b.Base)
	if err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/dir/file
		path = "/" + path
	}
	l := nex.Location{Scheme: nex.SchemeFile, Path: path}
	return b.openImage(ctx, l.String())
}

// openImage brings an image, into a store that is only for this.
func (b *builder) openImage(ctx context.Context, location string) (*os.Root, error) {
	l, err := nex.ParseLocation(location)
	if err != nil {
		return nil, err
	}
	b.Say("Getting image %s", location)
	store, err := image.Open(image.Config{Dir: filepath.Join(b.tmp, "images"), AllowFile: true, Client: true})
	if err != nil {
		return nil, err
	}
	defer store.Close() // it goes with its directory
	m, err := store.Get(ctx, image.Reference{Location: l})
	if err != nil {
		return nil, err
	}
	b.Say("Found image sha256:%s", m.Digest())
	defer m.Release()
	return os.OpenRoot(m.Root())
}

// openArchive unpacks a tar archive of a root directory, or finds that it is one of an image.
func (b *builder) openArchive(ctx context.Context) (*os.Root, error) {
	dir := filepath.Join(b.tmp, "base")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b.Say("Unpacking %s", b.Base)
	packed, err := b.unpack(ctx, root)
	isImage := err == nil && (has(dir, layoutFile) || has(dir, savedFile))
	switch {
	case isImage && packed:
		err = fmt.Errorf("the base %s is a compressed archive of an image: unpack it to a .tar file first", b.Base)
	case isImage:
		_ = root.Close() // only a handle
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		return b.openFileImage(ctx)
	}
	if err != nil {
		_ = root.Close() // only a handle
		return nil, err
	}
	return root, nil
}

// unpack unpacks the archive into a directory, and reports whether it was compressed.
func (b *builder) unpack(ctx context.Context, root *os.Root) (packed bool, err error) {
	f, err := os.Open(b.Base)
	if err != nil {
		return false, fmt.Errorf("the base cannot be read: %w", err)
	}
	defer f.Close() // only read
	plain, packed, err := decompress(f)
	if err != nil {
		return false, fmt.Errorf("the base %s cannot be unpacked: %w", b.Base, err)
	}
	defer plain.Close() // only read
	u := unpack.NewUnpacker(root, unpack.Limits{Bytes: image.DefaultMaxImageBytes, Files: image.DefaultMaxFiles})
	defer u.Close()
	err = u.Apply(ctx, plain)
	switch {
	case errors.Is(err, unpack.ErrTooLarge):
		return false, fmt.Errorf("the base %s %w", b.Base, err)
	case err != nil:
		return false, fmt.Errorf("the base %s cannot be unpacked: %w", b.Base, err)
	}
	if n := u.Skipped(); n > 0 {
		b.Say("Left out %d device nodes and pipes of %s", n, b.Base)
	}
	return packed, nil
}

// decompress returns what is in a file that may be compressed.
func decompress(f io.Reader) (plain io.ReadCloser, packed bool, err error) {
	r := bufio.NewReaderSize(f, 64<<10)
	magic, _ := r.Peek(6) // a shorter file is no archive, which is seen later
	switch {
	case bytes.HasPrefix(magic, []byte{0x1F, 0x8B}):
		z, err := gzip.NewReader(r)
		return z, true, err
	case bytes.HasPrefix(magic, []byte{0x28, 0xB5, 0x2F, 0xFD}):
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, false, err
		}
		return z.IOReadCloser(), true, nil
	case bytes.HasPrefix(magic, []byte{0xFD, '7', 'z', 'X', 'Z', 0}), bytes.HasPrefix(magic, []byte("BZh")):
		return nil, false, errors.New("it is compressed with xz or bzip2: unpack it to a .tar file first")
	}
	return io.NopCloser(r), false, nil
}
