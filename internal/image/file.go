package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// openFile opens what a file location names: a directory is an OCI layout, a file an archive of one
// or of docker save. Nothing but directories and regular files is ever opened.
func openFile(ref Reference, platform v1.Platform) (source, error) {
	path := ref.Location.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/") // file:///C:/dir/file
	}
	path = filepath.FromSlash(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, explainPath(ref, err)
	}
	if info.IsDir() {
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, explainPath(ref, err)
		}
		return &layout{finder: finder{ref: ref, platform: platform}, files: dirFiles{root}}, nil
	}
	f, err := openRegular(func() (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|openWithoutWaiting, 0) }, info)
	if err != nil {
		return nil, explainPath(ref, err)
	}
	archive, err := indexTar(f)
	if err != nil {
		_ = f.Close() // only read
		return nil, unusable(ref, err, fmt.Sprintf("is neither a directory nor a tar archive that can be read (%v): use an OCI layout or what docker save writes, not compressed", err))
	}
	finder := finder{ref: ref, platform: platform}
	if archive.has(indexFile) {
		return &layout{finder: finder, files: archive}, nil
	}
	return &dockerArchive{finder: finder, files: archive}, nil
}

// files are the files of a layout or archive.
type files interface {
	// open opens a regular file. One that is not there is errMissing.
	open(name string) (io.ReadCloser, int64, error)
	close()
}

// readFile reads a whole small file.
func readFile(from files, name string, most int64) ([]byte, error) {
	f, size, err := from.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	if size > most {
		return nil, fmt.Errorf("its %s has %d bytes; at most %d are read", name, size, most)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// dirFiles are the files of a directory. Links out of it are not followed.
type dirFiles struct{ root *os.Root }

func (d dirFiles) close() { _ = d.root.Close() } // only read

func (d dirFiles) open(name string) (io.ReadCloser, int64, error) {
	info, err := d.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, errMissing
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := openRegular(func() (*os.File, error) { return d.root.OpenFile(name, os.O_RDONLY|openWithoutWaiting, 0) }, info)
	return f, info.Size(), err
}

// errIrregular is the cause when a path is there but no file.
var errIrregular = errors.New("it is not a regular file")

// openRegular opens a file that was looked at. Between the two looks it may have become something else.
func openRegular(open func() (*os.File, error), looked fs.FileInfo) (*os.File, error) {
	if !looked.Mode().IsRegular() {
		return nil, errIrregular
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // only read
		return nil, errIrregular
	}
	return f, nil
}

// explainPath is the failure of a path that cannot be opened.
func explainPath(ref Reference, err error) error {
	var onPath *fs.PathError
	why := err
	if errors.As(err, &onPath) { // the path is in the location
		why = onPath.Err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIrregular) {
		return notFound(ref, err, why.Error())
	}
	return unavailable(ref, fmt.Errorf("%w", why))
}

// withContext is a file that ends with a ctx.
type withContext struct {
	ctx context.Context
	io.ReadCloser
}

func (r withContext) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.ReadCloser.Read(p)
}
