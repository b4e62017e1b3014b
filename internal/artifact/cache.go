package artifact

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/castore"
)

// Defaults of a [Config].
const (
	DefaultMaxBytes = 10 << 30
	DefaultStall    = 30 * time.Second
)

// partialPrefix begins the names of downloads that are not complete.
const partialPrefix = "partial-"

// errClosed is why downloads end when the cache is closed.
var errClosed = errors.New("the artifact cache is closed")

// Config is what a [Cache] needs. Only Dir is required.
type Config struct {
	// Dir is the cache's directory. It is created with mode 0700; one that others can write to is
	// refused.
	Dir string
	// MaxBytes is how much the cached files may take together; 0 takes [DefaultMaxBytes]. Files in
	// use are kept even if they take more.
	MaxBytes int64
	// NATS are the connections on which nats locations are looked up, in this order. They belong to
	// the caller and must outlive the cache.
	NATS []*nats.Conn
	// AllowFile permits file locations.
	AllowFile bool
	// HTTPClient fetches https locations; its CheckRedirect is not used. Nil takes a client that
	// honours the proxy variables of the environment.
	HTTPClient *http.Client
	// Stall is how long a source may make no progress before it is given up; 0 takes [DefaultStall].
	Stall time.Duration
	// Logger is told about files that were damaged or could not be removed. Nil discards.
	Logger *slog.Logger
}

// Cache is a directory of artifacts, named by digest. Make one with [Open].
type Cache struct {
	dir     string
	stall   time.Duration
	log     *slog.Logger
	sources sources
	// newPartial makes the file that a download is written to. Tests replace it.
	newPartial func(dir string) (partialFile, error)
	index      *castore.Index[struct{}]
}

// entry is a file in the index. It is checked when this process has seen that its content matches the
// digest.
type entry = castore.Entry[struct{}]

// Open opens or creates the cache in cfg.Dir. It removes what downloads of an earlier process left
// behind and takes over its complete files; their content is verified when they are first used.
// Files that are not the cache's are left alone. The caller closes the cache.
func Open(cfg Config) (*Cache, error) {
	switch {
	case cfg.Dir == "":
		return nil, errors.New("open artifact cache: no directory given")
	case cfg.MaxBytes < 0:
		return nil, fmt.Errorf("open artifact cache: size limit %d is negative", cfg.MaxBytes)
	case cfg.Stall < 0:
		return nil, fmt.Errorf("open artifact cache: stall time-out %v is negative", cfg.Stall)
	case slices.Contains(cfg.NATS, nil):
		return nil, errors.New("open artifact cache: a NATS connection is nil")
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Stall == 0 {
		cfg.Stall = DefaultStall
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := castore.PrepareDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open artifact cache: %w", err)
	}
	c := &Cache{
		dir:        dir,
		stall:      cfg.Stall,
		log:        cfg.Logger,
		sources:    newSources(cfg),
		newPartial: createPartial,
	}
	c.index = castore.NewIndex[struct{}](castore.Config{Limit: cfg.MaxBytes, Remove: c.removeFile})
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("open artifact cache: %w", err)
	}
	c.index.Evict()
	return c, nil
}

// Close ends the downloads and waits until nothing of them is left. Files that were handed out stay
// where they are. Everything else fails after Close, except Release.
func (c *Cache) Close() error {
	c.index.Close(errClosed)
	c.sources.close()
	return nil
}

// load removes partial downloads and indexes complete files by when they were last used.
func (c *Cache) load() error {
	dirEntries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var found []fs.FileInfo
	for _, e := range dirEntries {
		switch {
		case strings.HasPrefix(e.Name(), partialPrefix) && e.Type().IsRegular():
			if err := os.Remove(filepath.Join(c.dir, e.Name())); err != nil {
				return fmt.Errorf("remove a partial download: %w", err)
			}
		case castore.IsDigest(e.Name()) && e.Type().IsRegular():
			info, err := e.Info()
			if err != nil {
				return err
			}
			found = append(found, info)
		}
	}
	slices.SortFunc(found, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range found {
		c.index.Add(info.Name(), info.Size(), struct{}{})
	}
	return nil
}

// removeFile removes a file that is no longer in the index. That is quick: there is nothing left to do.
func (c *Cache) removeFile(digest string) (rest func()) {
	if err := os.Remove(c.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("cannot remove a file of the artifact cache", "digest", digest, "error", err)
	}
	return nil
}

// removePartial removes a download that is not wanted.
func (c *Cache) removePartial(path string) {
	if err := os.Remove(path); err != nil {
		c.log.Warn("cannot remove a partial download", "file", path, "error", err)
	}
}

func (c *Cache) path(digest string) string { return filepath.Join(c.dir, digest) }

// partialFile is a download in the making.
type partialFile interface {
	io.WriteCloser
	Name() string
	Chmod(fs.FileMode) error
}

func createPartial(dir string) (partialFile, error) { return os.CreateTemp(dir, partialPrefix+"*") }
