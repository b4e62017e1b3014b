package rootfs

import (
	"errors"
	"hash/maphash"
	"io/fs"
	"os"
	"path"
	"strings"
)

// A name with whiteoutPrefix hides what the layers below have under the rest of it; opaque hides all
// that they have in its directory. Other names with metaPrefix are notes of a storage driver.
const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh."
	opaque         = ".wh..wh..opq"
)

func isWhiteout(base string) bool { return strings.HasPrefix(base, whiteoutPrefix) }

// whiteout removes what an entry hides. What the layer itself has made stays, whichever came first.
func (u *Unpacker) whiteout(parent, base string) error {
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return malformed("the deletion marker %s names nothing", clip(parent+base))
	}
	if base != opaque && strings.HasPrefix(base, metaPrefix) {
		return nil
	}
	at, err := Resolve(u.root, parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := u.open(parent, at); err != nil {
		return err
	}
	if base == opaque {
		return u.hideAll(u.here.Root, at)
	}
	return u.hide(u.here.Root, at, hidden)
}

// hide removes a name, or of a directory of this layer what the layers below have put into it.
func (u *Unpacker) hide(in *os.Root, at, base string) error {
	if !u.marked(path.Join(at, base)) {
		return u.remove(in, base)
	}
	info, err := in.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	below, err := in.OpenRoot(base)
	if err != nil {
		return err
	}
	defer below.Close() // only looked up
	return u.hideAll(below, path.Join(at, base))
}

// hideAll hides every name in a directory.
func (u *Unpacker) hideAll(in *os.Root, at string) error {
	names, err := list(in)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := u.hide(in, at, name); err != nil {
			return err
		}
	}
	return nil
}

// mark notes that the layer at hand has made what lies at a path, and thereby all above it.
func (u *Unpacker) mark(at string) {
	for ; at != "." && !u.marked(at); at = path.Dir(at) {
		u.layer[maphash.String(u.seed, at)] = struct{}{}
	}
}

func (u *Unpacker) marked(at string) bool {
	_, ok := u.layer[maphash.String(u.seed, at)]
	return ok
}

// list returns the names in a directory.
func list(in *os.Root) ([]string, error) {
	d, err := in.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close() // only read
	return d.Readdirnames(-1)
}
