package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"github.com/nex-engine/nex/internal/ext4"
)

// image builds an image.
func (b *builder) image(ctx context.Context, base *os.Root, form string) (Result, error) {
	path := filepath.Join(b.tmp, "rootfs.ext4")
	used, err := b.writeImage(ctx, path, base)
	if err != nil {
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	if b.Change != nil {
		if used, err = b.change(ctx, path); err != nil {
			return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
		}
	}
	if form == FormPacked {
		b.Say("Packing %s", b.Output)
		if path, err = b.pack(ctx, path); err != nil {
			return Result{}, fmt.Errorf("pack %s: %w", b.Output, err)
		}
	}
	r := Result{Path: b.Output, Form: form, Size: b.Size, Used: used}
	if r.FileSize, r.SHA256, err = digest(ctx, path); err != nil {
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	if err := os.Rename(path, b.Output); err != nil {
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	return r, nil
}

// writeImage writes the file system to a new file.
func (b *builder) writeImage(ctx context.Context, path string, base *os.Root) (used int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := ext4.NewWriter(f, ext4.Options{Size: b.Size, Label: "nex-rootfs"})
	if err != nil {
		return 0, err
	}
	if err := b.fill(ctx, w, base); err != nil {
		return 0, err
	}
	var small *ext4.SizeError
	if err := w.Close(); errors.As(err, &small) {
		return 0, fmt.Errorf("%d bytes are too few: it takes %d, which is %d more: give it a size of %d or more", small.Size, small.Need, small.Need-small.Size, small.Need)
	} else if err != nil {
		return 0, err
	}
	if err := f.Truncate(b.Size); err != nil {
		return 0, err
	}
	return w.Used(), finish(f)
}

// change lets the image be changed, and returns how much of it is used then.
func (b *builder) change(ctx context.Context, path string) (used int64, err error) {
	if err := b.Change(ctx, path); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // only read
	if used, err = ext4.Used(f); err != nil {
		return 0, err
	}
	return used, f.Sync()
}

// finish makes a file one that everybody may read, and makes it last.
func finish(f *os.File) error {
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	return f.Sync()
}

// pack packs a file, and returns the path of what it is then.
func (b *builder) pack(ctx context.Context, path string) (packed string, err error) {
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close() // only read
	to, err := os.Create(path + ".gz")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	z := gzip.NewWriter(to) // with neither a name nor a time in it
	if _, err := io.Copy(z, withContext{ctx, from}); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return to.Name(), finish(to)
}

// digest returns the size of a file and its sha256 in hex.
func digest(ctx context.Context, path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() // only read
	sum := sha256.New()
	n, err := io.Copy(sum, withContext{ctx, f})
	return n, hex.EncodeToString(sum.Sum(nil)), err
}
