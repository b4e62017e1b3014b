package ext4

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
	"time"
)

// Bounds of the size of a file system, in bytes. Linux has no use for a smaller one, and block numbers no room
// for a larger one.
const (
	MinSize = 1 << 20
	MaxSize = 1 << 40
)

// Options are what a file system is to be.
type Options struct {
	// Size is what it may take with all that belongs to it, in bytes, from MinSize to MaxSize. What is more than a
	// multiple of 4096 stays unused.
	Size int64
	// Label is its name, at most 16 bytes.
	Label string
}

// Attr is what every entry has.
type Attr struct {
	// Mode has the permissions, and of the other bits ModeSetuid, ModeSetgid and ModeSticky.
	Mode     fs.FileMode
	UID, GID uint32
	// ModTime is all the times that an entry has; the zero Time is that of 1970. One that cannot be written becomes
	// the nearest that can.
	ModTime time.Time
}

// SizeError says that a file system is too small for what was written to it.
type SizeError struct {
	Size int64 // it has
	Need int64 // the least that it takes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("a file system of %d bytes is too small: what is to be in it takes %d bytes, %d more", e.Size, e.Need, e.Need-e.Size)
}

// Writer writes a file system.
//
// Names are slash-separated, with or without a slash at the beginning. Parents that are missing are made, with
// mode 0755 and root as the owner. No name leads through a symbolic link. An entry takes the place of
// one with the same name, a directory only that of a directory, whose content stays.
type Writer struct {
	to     io.WriterAt
	blocks int64 // of the file system
	label  string
	size   int64
	used   int64    // blocks, after Close
	next   int64    // block that comes next; beyond the last one they are only counted
	freed  []run    // of entries whose place was taken
	inodes []*inode // the first one has the number firstInode; nil: not in use any more
	root   *inode
	sum    hash.Hash // of what is in it, which its UUID is made of
	buf    []byte
}

// run is some blocks one after the other.
type run struct{ at, count int64 }

// inode is an entry.
type inode struct {
	Attr
	number   uint32
	kind     uint16 // modeDir, modeFile or modeSymlink
	size     int64
	blocks   int64 // that it has, with those of its extents
	links    int
	flags    uint32
	data     [60]byte // extents, or a short target
	runs     []run
	children map[string]*inode
}

// NewWriter begins a file system in to, which must be empty, or full of zeros. What is written to it lies below
// Options.Size. The caller closes the Writer, and makes the file as large as it should be.
func NewWriter(to io.WriterAt, o Options) (*Writer, error) {
	if o.Size < MinSize || o.Size > MaxSize {
		return nil, fmt.Errorf("make a file system of %d bytes: it must have %d to %d bytes", o.Size, MinSize, int64(MaxSize))
	}
	if len(o.Label) > 16 {
		return nil, fmt.Errorf("make a file system with the label %q: it has more than 16 bytes", o.Label)
	}
	w := &Writer{to: to, blocks: o.Size / blockSize, label: o.Label, size: o.Size, sum: sha256.New(), buf: make([]byte, 256<<10)}
	w.next = headBlocks(w.blocks)
	w.root = &inode{Attr: Attr{Mode: 0o755}, number: rootInode, kind: modeDir, links: 2, children: map[string]*inode{}}
	// Checkers want it to be there, and put into it what they find.
	if err := w.Mkdir("lost+found", Attr{Mode: 0o700}); err != nil {
		return nil, err
	}
	return w, nil
}

// Mkdir makes a directory, or gives the one that is there, or the root, other attributes.
func (w *Writer) Mkdir(name string, a Attr) error {
	parent, base, err := w.parent(name)
	if err != nil {
		return err
	}
	if base == "" {
		w.root.Attr = a
		return nil
	}
	if old := parent.children[base]; old != nil && old.kind == modeDir {
		old.Attr = a
		return nil
	}
	_, err = w.add(parent, base, name, modeDir, a)
	return err
}

// File makes a file of the size, which content has to have exactly. If it fails the Writer is of no use any more. When
// the file system is full already content is not read, and Close says how much is missing.
func (w *Writer) File(name string, a Attr, size int64, content io.Reader) error {
	if size < 0 || size > MaxSize {
		return fmt.Errorf("write %s to a file system: a file cannot have %d bytes", clip(name), size)
	}
	n, err := w.make(name, modeFile, a)
	if err != nil {
		return err
	}
	if err := w.fill(n, size, content); err != nil {
		return fmt.Errorf("write %s to a file system: %w", clip(name), err)
	}
	return nil
}

// Symlink makes a symbolic link, wherever it leads.
func (w *Writer) Symlink(name, target string, a Attr) error {
	if target == "" || len(target) >= blockSize || strings.Contains(target, "\x00") {
		return fmt.Errorf("write %s to a file system: a symbolic link cannot lead to a name of %d bytes like that", clip(name), len(target))
	}
	a.Mode = 0o777
	n, err := w.make(name, modeSymlink, a)
	if err != nil {
		return err
	}
	if len(target) < inlineTarget {
		n.size = int64(copy(n.data[:], target))
		return nil
	}
	return w.fill(n, int64(len(target)), strings.NewReader(target))
}

// Link gives what has the name old, a file or a symbolic link, one more name.
func (w *Writer) Link(name, old string) error {
	from, base, err := w.parent(old)
	if err != nil {
		return err
	}
	n := from.children[base]
	switch {
	case n == nil:
		return fmt.Errorf("link %s in a file system: there is no %s", clip(name), clip(old))
	case n.kind == modeDir:
		return fmt.Errorf("link %s in a file system: %s is a directory", clip(name), clip(old))
	case n.links >= maxLinks:
		return fmt.Errorf("link %s in a file system: %s has %d names already", clip(name), clip(old), n.links)
	}
	parent, base, err := w.parent(name)
	if err != nil {
		return err
	}
	if parent.children[base] == n {
		return nil
	}
	if err := w.clear(parent, base, name); err != nil {
		return err
	}
	parent.children[base] = n
	n.links++
	return nil
}

// make adds an entry that takes the place of another one.
func (w *Writer) make(name string, kind uint16, a Attr) (*inode, error) {
	parent, base, err := w.parent(name)
	if err != nil {
		return nil, err
	}
	if err := w.clear(parent, base, name); err != nil {
		return nil, err
	}
	return w.add(parent, base, name, kind, a)
}

// add adds an entry whose name is free.
func (w *Writer) add(parent *inode, base, name string, kind uint16, a Attr) (*inode, error) {
	if parent.children[base] != nil {
		return nil, fmt.Errorf("write the directory %s to a file system: it has a file or a link of that name", clip(name))
	}
	if len(w.inodes) >= math.MaxInt32-firstInode {
		return nil, errors.New("write to a file system: it has too many entries")
	}
	n := &inode{Attr: a, kind: kind, links: 1, number: uint32(firstInode + len(w.inodes))}
	if kind == modeDir {
		n.links = 2
		n.children = map[string]*inode{}
		parent.links++
	}
	parent.children[base] = n
	w.inodes = append(w.inodes, n)
	return n, nil
}

// clear takes an entry away, if it is not a directory.
func (w *Writer) clear(parent *inode, base, name string) error {
	n := parent.children[base]
	if base == "" || n != nil && n.kind == modeDir {
		return fmt.Errorf("write %s to a file system: it has a directory of that name", clip(name))
	}
	if n == nil {
		return nil
	}
	delete(parent.children, base)
	if n.links--; n.links == 0 {
		w.inodes[n.number-firstInode] = nil
		w.freed = append(w.freed, n.runs...)
	}
	return nil
}

// parent finds the directory that a name is in, and the last part of the name: "" for the root.
func (w *Writer) parent(name string) (*inode, string, error) {
	const most = 255
	dir := w.root
	parts := strings.Split(strings.TrimPrefix(path.Clean("/"+name), "/"), "/")
	for i, part := range parts {
		switch {
		case len(part) > most, strings.Contains(part, "\x00"), strings.Contains(name, "..") && hasDotDot(name):
			return nil, "", fmt.Errorf("write %s to a file system: that is no name of an entry", clip(name))
		case i == len(parts)-1:
			return dir, part, nil
		}
		below := dir.children[part]
		if below == nil {
			var err error
			if below, err = w.add(dir, part, name, modeDir, Attr{Mode: 0o755}); err != nil {
				return nil, "", err
			}
		}
		if below.kind != modeDir {
			return nil, "", fmt.Errorf("write %s to a file system: the name leads through %s, which is no directory", clip(name), clip(path.Join(parts[:i+1]...)))
		}
		dir = below
	}
	return dir, "", nil
}

func hasDotDot(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// clip shortens a name for use in a message.
func clip(name string) string {
	const most = 128
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}
