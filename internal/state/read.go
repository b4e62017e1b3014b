package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Entry is a record as [Read] finds it.
type Entry struct {
	Record
	// Warning says that the current file is damaged and the previous one is shown; empty if it is not.
	Warning string `json:"warning,omitempty"`
}

// Read reads the records in dir without changing anything, in the order of their ids, their
// specifications left sealed, and what is damaged, moved away or not; a record of a newer version of the
// format is among it. It may run beside a process that writes. A directory that does not exist has none. The
// error is that it cannot be read.
func Read(dir string) ([]Entry, []Damaged, error) {
	f := files{dir: dir}
	ids, _, err := f.ids()
	if err != nil {
		return nil, nil, err
	}
	var entries []Entry
	damaged, err := f.movedAway()
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		found, err := f.read(id)
		var newer *newerError
		switch {
		case errors.As(err, &newer):
			damaged = append(damaged, Damaged{ID: id, File: f.current(id), Reason: newer.Error()})
		case err != nil:
			return nil, nil, err
		case found.missing():
		case !found.whole():
			damaged = append(damaged, f.damaged(id, found))
		default:
			entries = append(entries, Entry{Record: found.Record, Warning: found.warning()})
		}
	}
	return entries, damaged, nil
}

// warning says that a previous file stands in for a damaged one.
func (f found) warning() string {
	if f.damage == nil || errors.Is(f.damage, fs.ErrNotExist) {
		return ""
	}
	return fmt.Sprintf("the current file is damaged, %v: this is the version before it", f.damage)
}

// movedAway lists the files that were moved away, in the order of their names.
func (f files) movedAway() ([]Damaged, error) {
	dir := filepath.Join(f.dir, damagedDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the node's state: %w", err)
	}
	var list []Damaged
	for _, e := range entries {
		id, ok := idOf(e.Name())
		if !ok {
			continue
		}
		d := Damaged{ID: id, File: filepath.Join(dir, e.Name())}
		_, damage, err := f.readFile(d.File, id)
		switch {
		case err != nil:
			damage = err
		case damage == nil: // what is sealed is not looked at here
			damage = errSealed
		}
		d.Reason = damage.Error()
		list = append(list, d)
	}
	return list, nil
}
