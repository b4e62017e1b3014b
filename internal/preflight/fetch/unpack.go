package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// maxSkipped bounds what of an archive comes before the file that is wanted, in bytes: 16 GiB.
const maxSkipped = 16 << 30

// packed is a file with another in it.
type packed struct {
	file       *os.File
	compressed bool
}

// open looks whether there is something to unpack in the file, which it rewinds; nil if not.
func (s Source) open(f *os.File) (*packed, error) {
	head := make([]byte, 3)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	compressed := bytes.Equal(head[:n], []byte{0x1f, 0x8b, 8}) // gzip, with the only method that it has
	if !compressed && s.Member == "" {
		return nil, nil
	}
	return &packed{f, compressed}, nil
}

// unpack writes to a file what is inside.
func (p *packed) unpack(ctx context.Context, s Source, t Target, to *os.File) error {
	limit := t.MaxBytes
	if s.Member != "" {
		limit += maxSkipped
	}
	from := &coming{ctx: ctx, r: p.file, size: -1, arrived: func() {}}
	inside := io.Reader(from)
	if p.compressed {
		z, err := gzip.NewReader(inside)
		if err != nil {
			return s.damaged(err)
		}
		inside = z
	}
	inside = io.LimitReader(inside, limit+1)
	wanted := &coming{ctx: ctx, r: inside, size: -1, arrived: func() {}}
	if s.Member != "" {
		member, size, err := s.find(inside)
		switch {
		case err != nil:
			return err
		case size > t.MaxBytes:
			return t.tooLarge(s)
		}
		if err := t.room(size); err != nil {
			return err
		}
		wanted.r = member
	}
	err := t.fill(to, wanted)
	switch {
	case wanted.err != nil && ctx.Err() != nil:
		return wanted.err
	case wanted.err != nil:
		return s.damaged(wanted.err)
	case err != nil:
		return err
	case wanted.done > t.MaxBytes:
		return t.tooLarge(s)
	case s.Member == "" && isArchive(to):
		return fmt.Errorf("what lies at %s is a tar archive: name the file in it in %s.member", s.Shown(), s.Setting)
	}
	return nil
}

// find returns the member of an archive, and its size.
func (s Source) find(archive io.Reader) (io.Reader, int64, error) {
	const shown = 5
	var seen []string
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("the archive %s has no file %s, but %s: change %s.member", s.Shown(), s.Member, list(seen, shown), s.Setting)
		}
		if err != nil {
			return nil, 0, s.damaged(err)
		}
		if h.Typeflag == tar.TypeReg && path.Clean(h.Name) == path.Clean(s.Member) {
			return r, h.Size, nil
		}
		if h.Typeflag == tar.TypeReg && len(seen) <= shown {
			seen = append(seen, h.Name)
		}
	}
}

// list names some of the files that there are.
func list(names []string, most int) string {
	switch {
	case len(names) == 0:
		return "no files at all"
	case len(names) > most:
		names = append(names[:most:most], "others")
	}
	return strings.Join(names, ", ")
}

// isArchive reports whether the file is a tar archive as they are made since 1988.
func isArchive(f *os.File) bool {
	const at = 257
	magic := make([]byte, len("ustar"))
	_, err := f.ReadAt(magic, at)
	return err == nil && string(magic) == "ustar"
}
