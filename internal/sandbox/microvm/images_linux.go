package microvm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	unpack "github.com/nex-engine/nex/internal/image/rootfs"
	"github.com/nex-engine/nex/internal/rootfs"
)

// Names of what is kept of images: a directory with a disk, and a link to where that is from. No sandbox has such a
// name.
const (
	imagePrefix  = "image-"
	makingPrefix = "making-"
	sourceLink   = "of"
)

// images are the disks of images that machines were started with. It is safe for concurrent use.
type images struct {
	dir    string
	log    *slog.Logger
	making chan struct{} // has room for who makes one: what is known of all of its files is in memory

	mu   sync.Mutex
	used map[string]*imageDisk // by key: those that somebody wants at the moment
}

// imageDisk is one of them.
type imageDisk struct {
	users int           // guarded by images.mu
	turn  chan struct{} // has room for who makes it
}

// disk is the path of a disk with what is in the directory root, which is made if it is not there. It stays until
// release is called; a machine that has it open keeps it. No root has no disk.
func (m *images) disk(ctx context.Context, root string) (path string, release func(), err error) {
	if root == "" {
		return "", func() {}, nil
	}
	key, err := imageKey(root)
	if err != nil {
		return "", nil, fmt.Errorf("the root directory of the image cannot be used: %w", err)
	}
	d, release := m.take(key)
	at := filepath.Join(m.dir, imagePrefix+key)
	if err := m.provide(ctx, d, at, key, root); err != nil {
		release()
		return "", nil, err
	}
	return filepath.Join(at, diskFile), release, nil
}

// provide returns when the disk in the directory at is there.
func (m *images) provide(ctx context.Context, d *imageDisk, at, key, root string) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if _, err := os.Stat(filepath.Join(at, diskFile)); err == nil {
		<-d.turn
		return nil
	}
	made := make(chan error, 1)
	_, release := m.take(key)
	go func() { // ends when the disk is there: for who tries again, should it take longer than we have time
		m.making <- struct{}{}
		err := m.make(context.WithoutCancel(ctx), at, root)
		if failed := m.evict(); failed != nil { // another one, which Sweep removes
			m.log.Warn("a disk of an image that is gone cannot be removed", attrError, failed)
		}
		<-m.making
		<-d.turn
		release()
		made <- err
	}()
	select {
	case err := <-made:
		if err != nil {
			return fmt.Errorf("make a disk of the image: %w", err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take keeps a disk from being removed until release is called.
func (m *images) take(key string) (d *imageDisk, release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d = m.used[key]
	if d == nil {
		d = &imageDisk{turn: make(chan struct{}, 1)}
		m.used[key] = d
	}
	d.users++
	return d, sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if d.users--; d.users == 0 {
			delete(m.used, key)
		}
	})
}

// imageKey names a directory as it is now: one that was removed and made again has another key.
func imageKey(root string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	info, err := os.Lstat(root)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return "", fmt.Errorf("%s is no directory", root)
	}
	sum := sha256.Sum256(fmt.Append(nil, root, stat.Dev, stat.Ino, stat.Ctim.Sec, stat.Ctim.Nsec))
	return hex.EncodeToString(sum[:16]), nil
}

// make makes a disk, and its directory at. When it fails there is nothing.
func (m *images) make(ctx context.Context, at, root string) (err error) {
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(m.dir, makingPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // if it was not moved
	from, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer from.Close() // only read
	if err := checkImage(from); err != nil {
		return err
	}
	if err := writeImage(ctx, filepath.Join(tmp, diskFile), from); err != nil {
		return err
	}
	if err := os.Symlink(root, filepath.Join(tmp, sourceLink)); err != nil {
		return err
	}
	if err := os.RemoveAll(at); err != nil { // it has no disk
		return err
	}
	return os.Rename(tmp, at)
}

// mountPoints are directories of the machine, which it has in place of the image's.
var mountPoints = []string{"dev", "proc", "run", "sys", filepath.Dir(guest.InitPath)[1:]}

// checkImage refuses an image that has something else where a machine has directories: a link would lead the init,
// which is root, elsewhere.
func checkImage(root *os.Root) error {
	for _, point := range mountPoints {
		for end := range len(point) + 1 {
			if end < len(point) && point[end] != '/' {
				continue
			}
			info, err := root.Lstat(point[:end])
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			if !info.IsDir() {
				return fmt.Errorf("the image has a file or link /%s, where machines have a directory: remove it from the image", point[:end])
			}
		}
	}
	return nil
}

// imageRoom is how much larger a file system is than what is to be in it; it takes no room on the host.
const imageRoom = 64 << 20

// writeImage writes what is in a directory to a new file, as a file system.
func writeImage(ctx context.Context, path string, from *os.Root) (err error) {
	size, err := unpack.Measure(from)
	if err != nil {
		return err
	}
	// Each file can have an inode, a name in a directory and a block that is not full.
	bytes := imageRoom + size.Bytes + size.Bytes/4 + int64(size.Files)*1024
	if bytes = (bytes + 4095) &^ 4095; bytes > ext4.MaxSize {
		return fmt.Errorf("it takes %d bytes, and a disk has %d at most", size.Bytes, int64(ext4.MaxSize))
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := ext4.NewWriter(f, ext4.Options{Size: bytes, Label: "nex-image"})
	if err != nil {
		return err
	}
	if err := rootfs.Copy(ctx, w, from); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// Everybody may read it: whom a machine runs as can get no further.
	return errors.Join(f.Truncate(bytes), f.Chmod(0o644))
}

// evict removes the disks of images that are gone, or were replaced.
func (m *images) evict() error {
	left, err := filepath.Glob(filepath.Join(m.dir, imagePrefix+"*"))
	for _, at := range left {
		key := strings.TrimPrefix(filepath.Base(at), imagePrefix)
		root, failed := os.Readlink(filepath.Join(at, sourceLink))
		if failed == nil {
			if now, failed := imageKey(root); failed == nil && now == key {
				continue
			}
		}
		m.mu.Lock()
		if m.used[key] == nil {
			err = errors.Join(err, os.RemoveAll(at))
		}
		m.mu.Unlock()
	}
	return err
}

// sweep removes what an earlier node has left, and this one does not want.
func (m *images) sweep() error {
	m.mu.Lock()
	idle := len(m.used) == 0
	m.mu.Unlock()
	var err error
	if idle { // else this node may make one
		var left []string
		left, err = filepath.Glob(filepath.Join(m.dir, makingPrefix+"*"))
		for _, at := range left {
			err = errors.Join(err, os.RemoveAll(at))
		}
	}
	return errors.Join(err, m.evict())
}
