package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/castore"
	"github.com/nex-engine/nex/internal/image/rootfs"
)

// Defaults of a [Config].
const (
	DefaultMaxBytes      = 20 << 30
	DefaultMaxImageBytes = 4 << 30
	DefaultMaxFiles      = 500_000
	DefaultStall         = 30 * time.Second
)

// partialPrefix begins the names of directories that are being made or removed.
const partialPrefix = "partial-"

// errClosed is why downloads end when the store is closed.
var errClosed = errors.New("the image store is closed")

// Config is what a [Store] needs. Only Dir is required.
type Config struct {
	// Dir is the store's directory. It is created with mode 0700; one that others can write to is
	// refused.
	Dir string
	// MaxBytes is how much the images may take together; 0 takes [DefaultMaxBytes]. Images in use are
	// kept even if they take more, and those being unpacked come on top.
	MaxBytes int64
	// MaxImageBytes bounds one image: its layers where they lie, unpacked, and the files in them; 0
	// takes [DefaultMaxImageBytes].
	MaxImageBytes int64
	// MaxFiles is how many files, directories and links the layers of one image may have; 0 takes
	// [DefaultMaxFiles].
	MaxFiles int
	// AllowFile permits file locations.
	AllowFile bool
	// InsecureRegistries are the hosts, with their ports, that may be spoken to by plain http besides
	// loopback ("registry.example:5000").
	InsecureRegistries []string
	// Platform is what images are for, as os/architecture or os/architecture/variant; "" takes linux
	// and the architecture of this process.
	Platform string
	// MountPoints are paths that every root has, so that nobody has to make them in a root that is
	// shared: a directory if the path ends with a slash, else a file. What an image does not have is
	// made, empty.
	MountPoints []string
	// Client says that messages are for who runs this process, and not for the client of a node.
	Client bool
	// Stall is how long a registry may make no progress before it is given up; 0 takes [DefaultStall].
	Stall time.Duration
	// Logger is told about images that were damaged or could not be removed. Nil discards.
	Logger *slog.Logger
}

// Store is a directory of unpacked images, named by digest. Make one with [Open].
type Store struct {
	dir     string
	limits  rootfs.Limits
	mounts  []string // mount points that every root has
	log     *slog.Logger
	sources sources
	index   *castore.Index[note]

	turnsMu sync.Mutex
	turns   map[string]chan struct{} // by the digest of an image that is being brought; closed at the end
}

// entry is an image in the index. It is checked when this process has made it, or seen that all of it is
// there.
type entry = castore.Entry[note]

// Open opens or creates the store in cfg.Dir. It removes what an earlier process did not complete and
// takes over its images, which are measured when they are first used. What is not the store's is left
// alone. The caller closes the store.
func Open(cfg Config) (*Store, error) {
	switch {
	case cfg.Dir == "":
		return nil, errors.New("open image store: no directory given")
	case cfg.MaxBytes < 0 || cfg.MaxImageBytes < 0 || cfg.MaxFiles < 0:
		return nil, errors.New("open image store: a limit is negative")
	case cfg.Stall < 0:
		return nil, fmt.Errorf("open image store: stall time-out %v is negative", cfg.Stall)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.MaxImageBytes == 0 {
		cfg.MaxImageBytes = DefaultMaxImageBytes
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = DefaultMaxFiles
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sources, err := newSources(cfg)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	dir, err := castore.PrepareDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	s := &Store{
		dir:     dir,
		limits:  rootfs.Limits{Bytes: cfg.MaxImageBytes, Files: cfg.MaxFiles},
		mounts:  slices.Clone(cfg.MountPoints),
		log:     cfg.Logger,
		sources: sources,
		turns:   make(map[string]chan struct{}),
	}
	// To remove an image takes a while.
	s.index = castore.NewIndex[note](castore.Config{Limit: cfg.MaxBytes, Remove: s.retire, Background: true})
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	return s, nil
}

// Evict removes images that are not in use, those first that were not used for the longest time, until the
// others keep the limit. It is done whenever an image comes or is released, but not by Open: call it when
// those are held that are in use already.
func (s *Store) Evict() { s.index.Evict() }

// Close ends the downloads and waits until nothing of them is left. Images that were handed out stay
// where they are. Everything else fails after Close, except Release.
func (s *Store) Close() error {
	s.index.Close(errClosed)
	s.sources.close()
	return nil
}

// load removes what is not complete and indexes the images by when they were last used.
func (s *Store) load() error {
	dirEntries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	type image struct {
		digest string
		used   time.Time
		note   note
	}
	var found []image
	for _, e := range dirEntries {
		switch {
		case !e.IsDir():
		case strings.HasPrefix(e.Name(), partialPrefix):
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return fmt.Errorf("remove an image that is not complete: %w", err)
			}
		case castore.IsDigest(e.Name()):
			info, err := e.Info()
			if err != nil {
				return err
			}
			n, err := readNote(s.path(e.Name()))
			if err != nil {
				s.log.Warn("an image of the store is damaged and is removed", "digest", e.Name(), "error", err)
				if rest := s.retire(e.Name()); rest != nil {
					rest()
				}
				continue
			}
			found = append(found, image{e.Name(), info.ModTime(), n})
		}
	}
	slices.SortFunc(found, func(a, b image) int { return a.used.Compare(b.used) })
	for _, im := range found {
		s.index.Add(im.digest, im.note.Size.Bytes, im.note)
	}
	return nil
}

// readNote reads what is kept about the image in a directory.
func readNote(dir string) (note, error) {
	var n note
	data, err := os.ReadFile(filepath.Join(dir, noteName))
	if err == nil {
		err = json.Unmarshal(data, &n)
	}
	return n, err
}

func (s *Store) path(digest string) string { return filepath.Join(s.dir, digest) }
