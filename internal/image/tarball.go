package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// maxTarFiles is how many files an archive of an image may have.
const maxTarFiles = 20_000

// tarFiles are the regular files of a tar archive, which is read in place.
type tarFiles struct {
	file  *os.File
	parts map[string]part
}

// part is where a file is in the archive, or the name of another that it is a link to.
type part struct {
	offset, size int64
	link         string
}

// indexTar notes where the files of an archive are. The file becomes the tarFiles'.
func indexTar(f *os.File) (*tarFiles, error) {
	t := &tarFiles{file: f, parts: make(map[string]part)}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF && len(t.parts) > 0 {
			return t, nil
		}
		if err == io.EOF {
			return nil, errors.New("it is empty")
		}
		if err != nil {
			return nil, err
		}
		if len(t.parts) == maxTarFiles {
			return nil, fmt.Errorf("it has more than %d files", maxTarFiles)
		}
		if err := t.add(h); err != nil {
			return nil, err
		}
	}
}

// add notes one entry, whose content begins where the archive has been read to. Of two with the same
// name the later one counts.
func (t *tarFiles) add(h *tar.Header) error {
	name := path.Clean("/" + h.Name)[1:]
	switch h.Typeflag {
	case tar.TypeReg:
		at, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		t.parts[name] = part{offset: at, size: h.Size}
	case tar.TypeSymlink:
		t.parts[name] = part{link: path.Clean("/" + path.Join(path.Dir(name), h.Linkname))[1:]}
	case tar.TypeLink:
		t.parts[name] = part{link: path.Clean("/" + h.Linkname)[1:]}
	}
	return nil
}

func (t *tarFiles) has(name string) bool {
	_, ok := t.parts[name]
	return ok
}

func (t *tarFiles) close() { _ = t.file.Close() } // only read

// open opens a file of the archive; links lead to others, a few times at most.
func (t *tarFiles) open(name string) (io.ReadCloser, int64, error) {
	name = path.Clean("/" + name)[1:]
	for range 8 {
		p, ok := t.parts[name]
		if !ok {
			return nil, 0, errMissing
		}
		if p.link == "" {
			return io.NopCloser(io.NewSectionReader(t.file, p.offset, p.size)), p.size, nil
		}
		name = p.link
	}
	return nil, 0, errMissing
}
