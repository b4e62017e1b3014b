package artifact

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// errIrregular is the cause when a path is there but no file.
var errIrregular = errors.New("it is not a regular file")

// fileSource is a file on the node. It never opens anything but regular files: the others could
// block, or do something when opened.
type fileSource struct{ ref Ref }

// path is the file's name as the operating system wants it.
func (s fileSource) path() string {
	p := s.ref.Location.Path
	if runtime.GOOS == "windows" {
		p = strings.TrimPrefix(p, "/") // file:///C:/dir/file
	}
	return filepath.FromSlash(p)
}

func (s fileSource) stat(context.Context) (meta, error) {
	info, err := os.Stat(s.path())
	return s.judge(info, err)
}

func (s fileSource) open(ctx context.Context) (meta, io.ReadCloser, error) {
	if _, err := s.stat(ctx); err != nil {
		return meta{}, nil, err
	}
	// Between the two looks it may have become a fifo, on which a plain open would wait.
	f, err := os.OpenFile(s.path(), os.O_RDONLY|openWithoutWaiting, 0)
	if err != nil {
		_, err = s.judge(nil, err)
		return meta{}, nil, err
	}
	m, err := s.judge(f.Stat())
	if err != nil {
		_ = f.Close() // only read
		return meta{}, nil, err
	}
	return m, fileBody{ctx: ctx, File: f}, nil
}

// judge turns what the operating system says about the path into a meta or a refusal.
func (s fileSource) judge(info fs.FileInfo, err error) (meta, error) {
	var pathError *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist), isNotDir(err):
		return meta{}, notFound(s.ref, err, "there is no such file on the node")
	case errors.As(err, &pathError): // whose text would name the path once more
		return meta{}, unavailable(s.ref, pathError.Err)
	case err != nil:
		return meta{}, unavailable(s.ref, err)
	case info.IsDir():
		return meta{}, notFound(s.ref, errIrregular, "it is a directory, not a file")
	case !info.Mode().IsRegular():
		return meta{}, notFound(s.ref, errIrregular, errIrregular.Error())
	}
	return meta{size: info.Size()}, nil
}

// fileBody ends with its ctx, between two reads.
type fileBody struct {
	ctx context.Context
	*os.File
}

func (b fileBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	return b.File.Read(p)
}
