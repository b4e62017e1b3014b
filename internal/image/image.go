package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image/rootfs"
	"github.com/nex-engine/nex/internal/image/userdb"
)

// Names in an image's directory.
const (
	rootName = "root"
	noteName = "image.json"
)

// maxUserFile is how large the passwd and group of an image may be.
const maxUserFile = 1 << 20

// note is what is kept about an image, in a file beside its root.
type note struct {
	Config RunConfig   `json:"config"`
	Size   rootfs.Size `json:"size"`
}

// Image is an image in the store. It stays there until it is released.
type Image struct {
	dir     string
	digest  string
	note    note
	release func()
}

// Root is the directory with the content of the image, absolute. It is shared and must not be changed;
// what is in it is not to be trusted, nor are its symbolic links to be followed from outside.
func (m *Image) Root() string { return filepath.Join(m.dir, rootName) }

// Config is how the image says that it is to be run. Its slices must not be changed.
func (m *Image) Config() RunConfig { return m.note.Config }

// Digest is the digest of the image's manifest, or configuration, as the package comment says: in
// lower-case hex.
func (m *Image) Digest() string { return m.digest }

// Bytes is about how much the image takes on disk.
func (m *Image) Bytes() int64 { return m.note.Size.Bytes }

// Release gives the image back: from now on it may be evicted. Only the first call counts.
func (m *Image) Release() { m.release() }

// User finds out who the image's USER is. Names are looked up in the image's own /etc/passwd and
// /etc/group. What is wrong with them is an error with code invalid_executable.
func (m *Image) User() (userdb.User, error) {
	root, err := os.OpenRoot(m.Root())
	if err != nil {
		return userdb.User{}, fmt.Errorf("open root of image %s: %w", m.digest, err)
	}
	defer root.Close() // only read
	passwd, err := readInside(root, "/etc/passwd")
	if err == nil {
		var groups string
		if groups, err = readInside(root, "/etc/group"); err == nil {
			var u userdb.User
			if u, err = userdb.Lookup(passwd, groups, m.note.Config.User); err == nil {
				return u, nil
			}
		}
	}
	return userdb.User{}, fail(err, nex.CodeInvalidExecutable, "image %s cannot run as user %q: %v", m.digest, clip(m.note.Config.User), err)
}

// readInside reads a small file of a root as a process inside would find it. One that does not exist
// is empty.
func readInside(root *os.Root, name string) (string, error) {
	at, err := rootfs.Resolve(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find its %s: %w", name, err)
	}
	info, err := root.Lstat(at)
	if err != nil {
		return "", fmt.Errorf("find its %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxUserFile {
		return "", fmt.Errorf("its %s is no file of at most %d bytes", name, maxUserFile)
	}
	f, err := root.OpenFile(at, os.O_RDONLY|openWithoutWaiting, 0)
	if err != nil {
		return "", fmt.Errorf("open its %s: %w", name, err)
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxUserFile))
	return string(text), err
}

// handle makes an Image of an entry and takes over one of its pins. It is nil, and the entry is no more,
// when somebody has removed the directory.
func (s *Store) handle(e *entry) *Image {
	// So that the next process knows the order of use.
	now := time.Now()
	if err := os.Chtimes(s.path(e.Digest), now, now); errors.Is(err, fs.ErrNotExist) {
		s.index.Discard(e)
		s.index.Unpin(e)
		return nil
	}
	return &Image{
		dir:     s.path(e.Digest),
		digest:  e.Digest,
		note:    e.Value,
		release: sync.OnceFunc(func() { s.index.Unpin(e) }),
	}
}
