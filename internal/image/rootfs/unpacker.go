package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
)

// Limits bound what an Unpacker makes, all layers together.
type Limits struct {
	// Bytes is how long the layers may be, uncompressed, and how much the files in them.
	Bytes int64
	// Files is how many entries the layers may have, and directories above them that have no entry.
	Files int
}

// Unpacker puts layers on top of each other. Make one with [NewUnpacker].
type Unpacker struct {
	root   *os.Root
	limits Limits
	owners bool // files keep their owners

	bytes   int64 // in files
	files   int
	skipped int
	in      input
	buf     []byte

	// here is the directory of the latest entry: archives go directory by directory.
	here dir

	// layer has the paths, hashed, that the layer at hand has made: deletions are not for them.
	layer map[uint64]struct{}
	seed  maphash.Seed
}

// dir is an open directory of the root.
type dir struct {
	name string // as the archive says it
	path string // below the root, without symbolic links
	*os.Root
}

// NewUnpacker returns an Unpacker into root, which stays the caller's. The caller closes the Unpacker.
func NewUnpacker(root *os.Root, limits Limits) *Unpacker {
	return &Unpacker{root: root, limits: limits, owners: os.Geteuid() == 0, buf: make([]byte, 128<<10), seed: maphash.MakeSeed()}
}

// Close gives back what the Unpacker holds open. The root stays open.
func (u *Unpacker) Close() { u.leave() }

// Skipped is how many device nodes and named pipes were left out.
func (u *Unpacker) Skipped() int { return u.skipped }

// Apply puts one more layer, an uncompressed tar archive, on top of what there is. It reads r to its
// end, also what follows the archive. After an error, or when ctx has ended, what lies in the root is
// of no use.
func (u *Unpacker) Apply(ctx context.Context, r io.Reader) error {
	u.in.ctx, u.in.r, u.in.most = ctx, r, u.limits.Bytes
	u.layer = make(map[uint64]struct{})
	archive := tar.NewReader(&u.in)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, &u.in, u.buf)
			return err
		}
		if err != nil {
			return u.blame(err)
		}
		if err := u.count(); err != nil {
			return err
		}
		if err := u.entry(h, archive); err != nil {
			return u.blame(err)
		}
	}
}

// MkdirAll makes a directory with all above it, if they are missing. Name is one that a
// process in the root would use.
func (u *Unpacker) MkdirAll(name string) error {
	if name, err := clean(name); err != nil {
		return err
	} else if at, err := resolve(u.root, name, u.mkdir); err != nil {
		return err
	} else if info, err := u.root.Lstat(at); err != nil {
		return err
	} else if !info.IsDir() {
		return malformed("%s is no directory", clip(name))
	}
	return nil
}

// Touch makes an empty file, and the directories above it, if nothing has that name. Name is one that a
// process in the root would use; what it names must not be a directory.
func (u *Unpacker) Touch(name string) error {
	if name, err := clean(name); err != nil {
		return err
	} else if at, err := resolve(u.root, name, u.mkfile); err != nil {
		return err
	} else if info, err := u.root.Lstat(at); err != nil {
		return err
	} else if info.IsDir() {
		return malformed("%s is a directory", clip(name))
	}
	return nil
}

// count takes notice of one more file.
func (u *Unpacker) count() error {
	if u.files++; u.files > u.limits.Files {
		return tooLarge("has more than %d files", u.limits.Files)
	}
	return nil
}

// blame finds out whose fault an error is: the reader's, the disk's, or else the archive's.
func (u *Unpacker) blame(err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	var known *fault
	switch {
	case u.in.err != nil:
		return u.in.err
	case errors.As(err, &known), errors.As(err, &onPath), errors.As(err, &onLink):
		return err
	}
	return malformed("it cannot be read as a tar archive: %v", err)
}

// entry makes what one entry of the archive says.
func (u *Unpacker) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) > maxID || int64(h.Gid) > maxID {
		return malformed("%s belongs to user %d and group %d, which cannot be", clip(h.Name), h.Uid, h.Gid)
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return malformed("its root is no directory")
		}
		return u.finish(u.root, ".", h)
	}
	parent, base := path.Split(name)
	if isWhiteout(base) {
		return u.whiteout(parent, base)
	}
	if err := u.enter(parent); err != nil {
		return err
	}
	if err := checkDepth(path.Join(u.here.path, base)); err != nil {
		return err
	}
	if err := u.make(base, h, content); err != nil {
		return err
	}
	u.mark(path.Join(u.here.path, base))
	return nil
}

// enter opens the directory of an entry, which is made if it is missing.
func (u *Unpacker) enter(name string) error {
	if u.here.Root != nil && u.here.name == name {
		return nil
	}
	at, err := resolve(u.root, name, u.mkdir)
	if err != nil {
		return err
	}
	return u.open(name, at)
}

// open makes the directory at a resolved path the one at hand.
func (u *Unpacker) open(name, at string) error {
	u.leave()
	if info, err := u.root.Lstat(at); err != nil {
		return err
	} else if !info.IsDir() {
		return malformed("%s is no directory, but there are names below it", clip(name))
	}
	opened, err := u.root.OpenRoot(at)
	if err != nil {
		return err
	}
	u.here = dir{name: name, path: at, Root: opened}
	return nil
}

// leave closes the directory at hand.
func (u *Unpacker) leave() {
	if u.here.Root != nil {
		_ = u.here.Close() // only looked up
	}
	u.here = dir{}
}

// mkdir makes a directory that has no entry of its own.
func (u *Unpacker) mkdir(at string, _ bool) error {
	if err := u.count(); err != nil {
		return err
	}
	if err := u.root.Mkdir(at, 0o755); err != nil {
		return err
	}
	u.mark(at)
	return u.root.Chmod(at, 0o755) // whatever the umask
}

// mkfile makes a file that has no entry of its own, or a directory above it.
func (u *Unpacker) mkfile(at string, last bool) error {
	if !last {
		return u.mkdir(at, last)
	}
	if err := u.count(); err != nil {
		return err
	}
	f, err := u.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	u.mark(at)
	return errors.Join(f.Chmod(0o644), f.Close()) // whatever the umask
}

// input is the archive as it is read: bounded, and ended by a ctx.
type input struct {
	ctx  context.Context
	r    io.Reader
	read int64 // of all layers
	most int64
	err  error // why reading ended, unless it was the end
}

func (in *input) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		in.err = context.Cause(in.ctx)
		return 0, in.err
	}
	n, err := in.r.Read(p)
	if in.read += int64(n); in.read > in.most {
		err = tooLarge("is larger than %d bytes when unpacked", in.most)
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}
