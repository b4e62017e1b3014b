package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nex-engine/nex/internal/ext4"
	unpack "github.com/nex-engine/nex/internal/image/rootfs"
)

// maxText is how large the files of a base may be that others are made of.
const maxText = 1 << 20

// empty are the directories of which a base brings nothing along, and replaced the files that it does not.
var (
	empty    = []string{"dev", "proc", "run", "sys", "tmp", nexDir[1:]}
	replaced = []string{groupFile[1:], hostsFile[1:], passwdFile[1:], resolvConf[1:]}
)

// walk is one way through a base.
type walk struct {
	ctx     context.Context
	into    sink
	base    *os.Root
	empty   []string // directories of which nothing is brought along
	without []string // files that are left out
	owners  bool     // files keep their owners
	names   map[fileID]string
	skipped int
}

func newWalk(ctx context.Context, into sink, base *os.Root) *walk {
	return &walk{ctx: ctx, into: into, base: base, owners: os.Geteuid() == 0, names: make(map[fileID]string)}
}

// Copy puts all that is in a directory into a file system, under the rules for a base, and always in the same order. The
// caller closes both.
func Copy(ctx context.Context, into *ext4.Writer, from *os.Root) error {
	info, err := from.Stat(".")
	if err != nil {
		return err
	}
	w := newWalk(ctx, into, from)
	a := w.attr(info)
	a.ModTime = epoch
	if err := into.Mkdir("/", a); err != nil {
		return err
	}
	return w.dir(".")
}

// copyBase puts a base into a sink, always in the same order.
func (b *builder) copyBase(ctx context.Context, into sink, base *os.Root) error {
	w := newWalk(ctx, into, base)
	w.empty, w.without = empty, replaced
	if err := w.dir("."); err != nil {
		return err
	}
	if w.skipped > 0 {
		b.Say("Left out %d device nodes, pipes and sockets of %s", w.skipped, b.Base)
	}
	return nil
}

func (w *walk) dir(name string) error {
	d, err := w.base.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	slices.Sort(names)
	for _, below := range names {
		if err := w.entry(path.Join(name, below)); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if slices.Contains(w.without, name) {
		return nil
	}
	info, err := w.base.Lstat(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	a := w.attr(info)
	switch info.Mode().Type() {
	case fs.ModeDir:
		a.ModTime = epoch // it is that of the unpacking
		if err := w.into.Mkdir(name, a); err != nil || slices.Contains(w.empty, name) {
			return err
		}
		return w.dir(name)
	case fs.ModeSymlink:
		target, err := w.base.Readlink(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		a.ModTime = epoch
		return w.into.Symlink(name, target, a)
	case 0:
		return w.file(name, info, a)
	}
	w.skipped++
	return nil
}

// file copies a file, or makes one more name of one that was copied already.
func (w *walk) file(name string, info fs.FileInfo, a ext4.Attr) error {
	id, several := identify(info)
	if several {
		if first, ok := w.names[id]; ok {
			return w.into.Link(name, first)
		}
		w.names[id] = name
	}
	f, err := w.base.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close() // only read
	return w.into.File(name, a, info.Size(), withContext{w.ctx, f})
}

// attr is what an entry keeps. Set-user-id bits, which a directory may have, are dropped as everywhere.
func (w *walk) attr(info fs.FileInfo) ext4.Attr {
	a := ext4.Attr{Mode: info.Mode().Perm() | info.Mode()&fs.ModeSticky, ModTime: info.ModTime()}
	if info.IsDir() {
		a.Mode |= info.Mode() & fs.ModeSetgid
	}
	if w.owners {
		a.UID, a.GID = ownerOf(info)
	}
	return a
}

// baseHas reports whether a base has one of the files, as a process in it would see them.
func baseHas(base *os.Root, names ...string) bool {
	return base != nil && slices.ContainsFunc(names, func(name string) bool {
		_, err := unpack.Resolve(base, name)
		return err == nil
	})
}

// readBase reads a small file of a base as a process in it would. One that is not there is empty.
func readBase(base *os.Root, name string) ([]byte, error) {
	if !baseHas(base, name) {
		return nil, nil
	}
	at, err := unpack.Resolve(base, name)
	if err != nil {
		return nil, fmt.Errorf("find %s of the base: %w", name, err)
	}
	info, err := base.Lstat(at)
	if err != nil {
		return nil, fmt.Errorf("find %s of the base: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return nil, fmt.Errorf("%s of the base is no file of at most %d bytes", strings.TrimPrefix(name, "/"), maxText)
	}
	f, err := base.Open(at)
	if err != nil {
		return nil, fmt.Errorf("read %s of the base: %w", name, err)
	}
	defer f.Close() // only read
	return io.ReadAll(io.LimitReader(f, maxText))
}
