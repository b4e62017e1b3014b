package wasm

import (
	"cmp"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// defaultCacheBytes is for a configuration without a bound: room for a hundred modules of Go.
const defaultCacheBytes = 1 << 30

// entry is what the cache holds of one module.
type entry struct {
	path string
	used time.Time
	size int64
}

// removeOld removes the entries that were not used for longest until the cache is within its bound. The
// one that was just added stays, however large it is.
func (c cache) removeOld(added string) {
	entries := c.entries()
	var total int64
	for _, e := range entries {
		total += e.size
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path))
	})
	for _, e := range entries {
		if total <= c.most {
			return
		}
		if e.path != added && e.remove() {
			total -= e.size
		}
	}
}

// entries lists the entries, whole or not, without those that are being made.
func (c cache) entries() []entry {
	found, _ := os.ReadDir(c.dir) // what could be read
	var entries []entry
	for _, f := range found {
		if !strings.HasPrefix(f.Name(), cachePrefix) || strings.HasSuffix(f.Name(), cacheStaging) {
			continue
		}
		if info, err := f.Info(); err == nil { // else another process has removed it
			path := filepath.Join(c.dir, f.Name())
			entries = append(entries, entry{path, info.ModTime(), sizeOf(path)})
		}
	}
	return entries
}

// remove removes the entry, in one step for other processes: they see all of it or nothing. It reports
// whether the entry is gone.
func (e entry) remove() bool {
	staging := e.path + "." + rand.Text() + cacheStaging
	if err := os.Rename(e.path, staging); err != nil {
		return os.IsNotExist(err) // another process was faster
	}
	_ = os.RemoveAll(staging) // else removeLeft does it
	return true
}

// sizeOf adds up the files at and below a path.
func sizeOf(path string) (size int64) {
	_ = filepath.WalkDir(path, func(_ string, f os.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return nil // another process may be removing it
		}
		if info, err := f.Info(); err == nil {
			size += info.Size()
		}
		return nil
	}) // never fails
	return size
}
