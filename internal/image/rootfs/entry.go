package rootfs

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// maxID is the largest user or group id; the next one means "none" to the kernel.
const maxID = 1<<32 - 2

// make makes one entry, with the name base in the directory at hand, in the place of what is there.
func (u *Unpacker) make(base string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.directory(base, h)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.file(base, h, content)
	case tar.TypeSymlink:
		return u.symlink(base, h)
	case tar.TypeLink:
		return u.hardLink(base, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		u.skipped++
		return u.clear(base)
	}
	return malformed("%s is of the unknown type %q", clip(h.Name), h.Typeflag)
}

// directory makes a directory, or changes mode and owner of the one that is there.
func (u *Unpacker) directory(base string, h *tar.Header) error {
	info, err := u.here.Lstat(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !info.IsDir() {
		if err := u.clear(base); err != nil {
			return err
		}
	}
	if err != nil || !info.IsDir() {
		if err := u.here.Mkdir(base, 0o700); err != nil {
			return err
		}
	}
	return u.finish(u.here.Root, base, h)
}

// finish sets owner and mode of a directory.
func (u *Unpacker) finish(in *os.Root, base string, h *tar.Header) error {
	if u.owners {
		if err := in.Lchown(base, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	return in.Chmod(base, u.mode(h))
}

// file makes a regular file.
func (u *Unpacker) file(base string, h *tar.Header, content io.Reader) error {
	if h.Size > u.limits.Bytes-u.bytes {
		return tooLarge("is larger than %d bytes when unpacked", u.limits.Bytes)
	}
	const flags = os.O_CREATE | os.O_EXCL | os.O_WRONLY
	f, err := u.here.OpenFile(base, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if err := u.clear(base); err != nil {
			return err
		}
		f, err = u.here.OpenFile(base, flags, 0o600)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(u.fill(f, h, content), f.Close()); err != nil {
		return err
	}
	return u.touch(base, h.ModTime)
}

// fill writes a file, and sets its owner and mode.
func (u *Unpacker) fill(f *os.File, h *tar.Header, content io.Reader) error {
	// Without its other methods the file does not make a buffer of its own for each copy.
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{content}, u.buf)
	u.bytes += n
	if err != nil {
		return err
	}
	if u.owners {
		if err := f.Chown(h.Uid, h.Gid); err != nil {
			return err
		}
	}
	return f.Chmod(u.mode(h))
}

// touch sets the time of a file: interpreters compare it with what they have compiled.
func (u *Unpacker) touch(base string, at time.Time) error {
	if at.Unix() < 0 || at.Year() > 2200 { // not every file system can tell
		return nil
	}
	return u.here.Chtimes(base, at, at)
}

// symlink makes a symbolic link, wherever it leads.
func (u *Unpacker) symlink(base string, h *tar.Header) error {
	if h.Linkname == "" || len(h.Linkname) > maxName {
		return malformed("the symbolic link %s leads to a name of %d bytes", clip(h.Name), len(h.Linkname))
	}
	err := u.here.Symlink(h.Linkname, base)
	if errors.Is(err, fs.ErrExist) {
		if err := u.clear(base); err != nil {
			return err
		}
		err = u.here.Symlink(h.Linkname, base)
	}
	if err != nil || !u.owners {
		return err
	}
	return u.here.Lchown(base, h.Uid, h.Gid)
}

// hardLink makes one more name of a file that is in the root.
func (u *Unpacker) hardLink(base string, h *tar.Header) error {
	target, err := u.target(h)
	if err != nil {
		return err
	}
	at := path.Join(u.here.path, base)
	if at == target {
		return nil
	}
	err = u.root.Link(target, at)
	if errors.Is(err, fs.ErrExist) {
		if err := u.clear(base); err != nil {
			return err
		}
		err = u.root.Link(target, at)
	}
	if errors.Is(err, fs.ErrNotExist) { // it was in what has just been cleared away
		return malformed("the hard link %s leads to %s, in whose place it is", clip(h.Name), clip(h.Linkname))
	}
	return err
}

// target finds the file that a hard link means. It may be a symbolic link, which is not followed.
func (u *Unpacker) target(h *tar.Header) (string, error) {
	name, err := clean(h.Linkname)
	if err != nil {
		return "", err
	}
	parent, base := path.Split(name)
	missing := func() (string, error) {
		return "", malformed("the hard link %s leads to %s, which is no file of the image", clip(h.Name), clip(h.Linkname))
	}
	parent, err = Resolve(u.root, parent)
	if errors.Is(err, fs.ErrNotExist) || base == "" {
		return missing()
	}
	if err != nil {
		return "", err
	}
	at := path.Join(parent, base)
	info, err := u.root.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing()
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return missing()
	}
	return at, nil
}

// clear removes what has the name base in the directory at hand, if there is anything.
func (u *Unpacker) clear(base string) error {
	return u.remove(u.here.Root, base)
}

// remove removes a name from a directory. Other directories may be found elsewhere from now on.
func (u *Unpacker) remove(in *os.Root, base string) error {
	if err := in.RemoveAll(base); err != nil {
		return err
	}
	u.here.name = "\x00" // the name of none: the next entry looks it up anew
	return nil
}

// mode is the mode that a file or directory gets.
func (u *Unpacker) mode(h *tar.Header) fs.FileMode {
	mode := fs.FileMode(h.Mode) & fs.ModePerm
	if h.Typeflag == tar.TypeDir {
		mode |= h.FileInfo().Mode() & (fs.ModeSticky | fs.ModeSetgid)
	}
	switch {
	case u.owners:
	case h.Typeflag == tar.TypeDir:
		mode |= 0o700
	default:
		mode |= 0o600
	}
	return mode
}
