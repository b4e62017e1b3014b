package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
)

// directory builds a directory.
func (b *builder) directory(ctx context.Context, base *os.Root) (Result, error) {
	part := filepath.Join(b.tmp, "root")
	if err := b.writeDirectory(ctx, part, base); err != nil {
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	if err := os.Remove(b.Output); err != nil && !errors.Is(err, fs.ErrNotExist) { // it was empty
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	if err := os.Rename(part, filepath.Clean(b.Output)); err != nil {
		return Result{}, fmt.Errorf("build %s: %w", b.Output, err)
	}
	return Result{Path: b.Output, Form: FormDirectory}, nil
}

func (b *builder) writeDirectory(ctx context.Context, part string, base *os.Root) error {
	if err := os.Mkdir(part, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(part)
	if err != nil {
		return err
	}
	defer root.Close() // only a handle
	into := &dirSink{root: root, owners: os.Geteuid() == 0, dirs: make(map[string]ext4.Attr)}
	if err := b.fill(ctx, into, base); err != nil {
		return err
	}
	return into.Close()
}

// dirSink is a directory that a root file system is put into.
type dirSink struct {
	root   *os.Root
	owners bool                 // files get their owners
	dirs   map[string]ext4.Attr // of directories, which are set at the end: they could forbid to write
}

func (d *dirSink) Mkdir(name string, a ext4.Attr) error {
	name, err := d.parent(name)
	if err != nil {
		return err
	}
	if info, err := d.root.Lstat(name); err != nil || !info.IsDir() {
		if err := d.root.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	d.dirs[name] = a
	return nil
}

func (d *dirSink) File(name string, a ext4.Attr, size int64, content io.Reader) error {
	name, err := d.clear(name)
	if err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, content)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes and should have %d: %w", name, n, size, io.ErrUnexpectedEOF)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.set(name, a)
}

func (d *dirSink) Symlink(name, target string, a ext4.Attr) error {
	name, err := d.clear(name)
	if err != nil {
		return err
	}
	if err := d.root.Symlink(target, name); err != nil || !d.owners {
		return err
	}
	return d.root.Lchown(name, int(a.UID), int(a.GID))
}

func (d *dirSink) Link(name, old string) error {
	name, err := d.clear(name)
	if err != nil {
		return err
	}
	return d.root.Link(filepath.FromSlash(old), name)
}

// Close sets the attributes of the directories, inner ones first.
func (d *dirSink) Close() error {
	names := slices.Sorted(maps.Keys(d.dirs))
	for _, name := range slices.Backward(names) {
		if err := d.set(name, d.dirs[name]); err != nil {
			return err
		}
	}
	return nil
}

// set sets the attributes of a file or directory.
func (d *dirSink) set(name string, a ext4.Attr) error {
	if d.owners {
		if err := d.root.Lchown(name, int(a.UID), int(a.GID)); err != nil {
			return err
		}
	}
	if err := d.root.Chmod(name, a.Mode); err != nil {
		return err
	}
	return d.root.Chtimes(name, time.Time{}, a.ModTime)
}

// clear makes room for a file or link.
func (d *dirSink) clear(name string) (string, error) {
	name, err := d.parent(name)
	if err != nil {
		return "", err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return name, nil
}

// parent makes a path in the directory of a name, and refuses one that leads through a link. Missing directories are
// made.
func (d *dirSink) parent(name string) (string, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for i, c := range name {
		if c != '/' {
			continue
		}
		above := name[:i]
		if info, err := d.root.Lstat(above); err == nil && info.IsDir() {
			continue
		} else if err == nil {
			return "", fmt.Errorf("write %s: the name leads through %s, which is no directory", name, above)
		}
		if err := d.Mkdir(above, dirAttr(0o755, 0)); err != nil {
			return "", err
		}
	}
	if name == "" {
		name = "."
	}
	return filepath.FromSlash(name), nil
}
