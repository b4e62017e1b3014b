package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The compiler's own cache believes what it finds: a damaged file there can crash the process, or make
// it reserve any amount of memory. So each module has a directory of its own for the compiler to use,
// with a file beside it that tells the digest of what the compiler has written. A directory comes
// into being under another name and is renamed when it is whole; one that is not as its digest says is
// removed. Several processes can use a cache at one time: at worst each of them compiles. When one has
// added a directory it removes those that were not used for longest, if all together are too large.
const (
	cachePrefix  = "wasm-"
	cacheStaging = ".new" // within the names of directories that are being made
	cacheSum     = "sum"
	// stagingAge is when a directory that is being made must have been left by a process that died.
	stagingAge = time.Hour
)

// cache is a directory with compiled code of at most so many bytes.
type cache struct {
	dir  string
	most int64
}

// engine makes an engine by calling make with a directory for the compiler. It returns nil if that is
// not possible, for whatever reason: a cache is there to save time, and no more.
func (c cache) engine(code []byte, make func(dir string) (*engine, error)) *engine {
	if os.MkdirAll(c.dir, 0o700) != nil {
		return nil
	}
	digest := sha256.Sum256(code)
	final := filepath.Join(c.dir, cachePrefix+hex.EncodeToString(digest[:]))
	if isWhole(final) {
		if e, err := make(final); err == nil {
			now := time.Now()
			_ = os.Chtimes(final, now, now) // else it may go before its time
			return e
		}
	}
	c.removeLeft()
	staging, err := os.MkdirTemp(c.dir, cachePrefix+"*"+cacheStaging)
	if err != nil {
		return nil
	}
	defer os.RemoveAll(staging) // unless it has been renamed
	e, err := make(staging)
	if err != nil {
		return nil
	}
	if writeSum(staging) == nil && !isWhole(final) {
		_ = os.RemoveAll(final)
		if os.Rename(staging, final) == nil { // fails if another process was faster
			c.removeOld(final)
		}
	}
	return e
}

// isWhole reports whether a directory holds what its sum says, and nothing else.
func isWhole(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, cacheSum))
	if err != nil {
		return false
	}
	got, err := sum(dir)
	return err == nil && got == string(want)
}

func writeSum(dir string) error {
	text, err := sum(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, cacheSum), []byte(text), 0o600)
}

// sum lists the one file that the compiler has written below a directory, with its digest.
func sum(dir string) (string, error) {
	var found string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() || path == filepath.Join(dir, cacheSum):
			return nil
		case found != "" || !entry.Type().IsRegular():
			return errors.New("there is more than one file")
		}
		found = path
		return nil
	})
	if err != nil || found == "" {
		return "", errors.Join(err, os.ErrNotExist)
	}
	f, err := os.Open(found)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	name, err := filepath.Rel(dir, found)
	return fmt.Sprintf("%x  %s\n", h.Sum(nil), filepath.ToSlash(name)), err
}

// removeLeft removes what processes that died have left half made.
func (c cache) removeLeft() {
	names, _ := filepath.Glob(filepath.Join(c.dir, cachePrefix+"*"+cacheStaging))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > stagingAge {
			_ = os.RemoveAll(name) // another process may be doing the same
		}
	}
}
