package state

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Names in the directory. An id has no dot.
const (
	suffix         = ".json"
	suffixPrevious = ".previous.json"
	damagedDir     = "damaged"
)

// files are the records in a directory.
type files struct {
	dir  string
	seal cipher.AEAD // nil to leave specifications sealed
}

func (f files) current(id string) string  { return filepath.Join(f.dir, id+suffix) }
func (f files) previous(id string) string { return filepath.Join(f.dir, id+suffixPrevious) }

// ids lists whose records there are, in the order of the ids, and what interrupted writes have left. A
// directory that does not exist has none.
func (f files) ids() (ids, leftovers []string, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read the node's state: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			leftovers = append(leftovers, filepath.Join(f.dir, e.Name()))
		} else if id, ok := idOf(e.Name()); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), leftovers, nil
}

// idOf is the id in the name of a record's file.
func idOf(name string) (string, bool) {
	id, ok := strings.CutSuffix(name, suffix)
	id, _, _ = strings.Cut(id, ".")
	return id, ok && checkID(id) == nil
}

// found is what there is of a record.
type found struct {
	Record
	// damage is what is wrong with the current file; nil if nothing is. Missing is fs.ErrNotExist.
	damage error
	// previous is the same of the previous one, which is looked at only if the current one is not whole.
	previous error
}

// whole reports whether one of the two can be used.
func (f found) whole() bool { return f.damage == nil || f.previous == nil }

// missing reports whether there is neither: it has been deleted meanwhile.
func (f found) missing() bool {
	return errors.Is(f.damage, fs.ErrNotExist) && errors.Is(f.previous, fs.ErrNotExist)
}

// read reads what there is of a record. Its error is that it could not be looked at, or that it is of a
// newer version: then nothing is known about it.
func (f files) read(id string) (found, error) {
	var out found
	var err error
	if out.Record, out.damage, err = f.readFile(f.current(id), id); err != nil || out.damage == nil {
		return out, err
	}
	out.Record, out.previous, err = f.readFile(f.previous(id), id)
	return out, err
}

// readFile tells damage, among which is that the file is missing, from what keeps it from being read.
func (f files) readFile(path, id string) (r Record, damage, err error) {
	data, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errUnfit), errors.Is(err, syscall.EIO):
		return Record{}, err, nil
	case err != nil:
		return Record{}, nil, fmt.Errorf("read the node's state: %w", err)
	}
	r, err = decode(data, id, f.seal)
	if newer := (*newerError)(nil); errors.As(err, &newer) || errors.Is(err, errSealed) {
		return Record{}, nil, fmt.Errorf("the state of workload %s in %s cannot be used: %w", id, path, err)
	}
	return r, err, nil
}

// errUnfit is that what is there cannot be a record.
var errUnfit = errors.New("it is")

func readBounded(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w no file", errUnfit)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%w larger than a record can be", errUnfit)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}
