// Package compiled keeps what agents have compiled of functions, so that later ones need not compile it
// again. It does not know what is in the files.
//
// Compiled code is believed by whoever runs it. So what an agent gives is for agents of the same namespace
// and artifact alone: they can do nothing with it that the artifact could not do.
package compiled

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/atomicfile"
)

// DefaultMaxBytes is what a Cache may hold that is given no bound: room for a hundred modules of Go.
const DefaultMaxBytes = 1 << 30

// Cache is a directory with a file for each artifact in a directory for each namespace. It is safe for
// concurrent use.
type Cache struct {
	dir  string
	most int64

	mu sync.Mutex // held while files are looked for and removed
}

// Open opens the cache in a directory that is made when it is first needed and belongs to the cache: what
// else is there is removed. All files together have at most so many bytes, 0 means [DefaultMaxBytes]; those
// that were not used for longest go first.
func Open(dir string, most int64) (*Cache, error) {
	c := &Cache{dir: dir, most: cmp.Or(most, DefaultMaxBytes)}
	namespaces, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open cache of compiled code: %w", err)
	}
	for _, n := range namespaces {
		path := filepath.Join(dir, n.Name())
		if isHex(n.Name()) && n.IsDir() {
			err = tidy(path)
		} else {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return nil, fmt.Errorf("open cache of compiled code: %w", err)
		}
	}
	c.evict("")
	return c, nil
}

// tidy removes what is in the directory of a namespace and no file of the cache, such as what a process
// that died has half written, and the directory if it is empty then.
func tidy(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	left := 0
	for _, f := range files {
		if isHex(f.Name()) && f.Type().IsRegular() {
			left++
		} else if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	if left == 0 {
		return os.Remove(dir)
	}
	return nil
}

// Get returns the file of an artifact, empty if there is none. It may go at any time.
func (c *Cache) Get(namespace, digest string) string {
	path, err := c.path(namespace, digest)
	if err != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if os.Chtimes(path, now, now) != nil { // it is used now, and else would go before its time
		return ""
	}
	return path
}

// Put keeps a file of an artifact, all that r gives, and replaces the one that is there.
func (c *Cache) Put(namespace, digest string, r io.Reader) error {
	path, err := c.path(namespace, digest)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.WriteFrom(path, r, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep compiled code: %w", err)
	}
	c.evict(path)
	return nil
}

// path is where a file is. No name from outside is the name of a file.
func (c *Cache) path(namespace, digest string) (string, error) {
	if !isHex(digest) {
		return "", fmt.Errorf("%.80q is no digest", digest)
	}
	sum := sha256.Sum256([]byte(namespace))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:]), digest), nil
}

// isHex reports whether a name is a digest as it is written here.
func isHex(name string) bool {
	return len(name) == hex.EncodedLen(sha256.Size) && strings.Trim(name, "0123456789abcdef") == ""
}

// file is one of the cache.
type file struct {
	path string
	used time.Time
	size int64
}

// evict removes the files that were not used for longest until the others are within the bound. The one
// that was just added stays, however large it is.
func (c *Cache) evict(added string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := c.files()
	var total int64
	for _, f := range files {
		total += f.size
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path))
	})
	for _, f := range files {
		if total <= c.most {
			return
		}
		if f.path != added && os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}

// files lists what can be found.
func (c *Cache) files() (files []file) {
	_ = filepath.WalkDir(c.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !isHex(filepath.Base(path)) || !e.Type().IsRegular() {
			return nil // such as what is being written
		}
		if info, err := e.Info(); err == nil {
			files = append(files, file{path, info.ModTime(), info.Size()})
		}
		return nil
	}) // never fails
	return files
}
