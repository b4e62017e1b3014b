package state

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what [Repair], or [Store.Load], has done.
type Report struct {
	// Whole is the number of records that can be used, the restored ones included.
	Whole int `json:"whole"`
	// Restored are those whose previous version is now the current one. File is where the damaged file lies
	// now; empty if it was missing.
	Restored []Damaged `json:"restored"`
	// Leftovers are the files of interrupted writes that were removed.
	Leftovers []string `json:"leftovers"`
	// Damaged are the files that cannot be used, where they lie now.
	Damaged []Damaged `json:"damaged"`
	// Failed is what could not be done.
	Failed []error `json:"-"`
}

// Repair makes the directory of a node that is down tidy, as [Store.Load] does. Without key it cannot tell
// whether specifications can be opened. The error is one of Load's; nothing has been changed then. What
// it could not do is in Report.Failed.
func Repair(dir string, key []byte) (Report, error) {
	f := files{dir: dir}
	if len(key) > 0 {
		var err error
		if f.seal, err = newSeal(key); err != nil {
			return Report{}, err
		}
	}
	m, err := f.survey()
	if err != nil {
		return Report{}, err
	}
	return f.mend(m), nil
}

// survey is all that there is in the directory.
type survey struct {
	found     map[string]found // by id
	leftovers []string
}

func (f files) survey() (survey, error) {
	ids, leftovers, err := f.ids()
	if err != nil {
		return survey{}, err
	}
	s := survey{found: make(map[string]found, len(ids)), leftovers: leftovers}
	for _, id := range ids {
		if s.found[id], err = f.read(id); err != nil {
			return survey{}, err
		}
	}
	return s, nil
}

// mend does what the comments of Load and Repair say.
func (f files) mend(s survey) Report {
	// No nil lists: they are an empty one in JSON.
	r := Report{Restored: []Damaged{}, Leftovers: []string{}, Damaged: []Damaged{}}
	for _, id := range slices.Sorted(maps.Keys(s.found)) {
		switch found := s.found[id]; {
		case found.damage == nil:
			r.Whole++
		case found.whole():
			r.Whole++
			if d, err := f.restore(id, found); err != nil {
				r.Failed = append(r.Failed, err)
			} else {
				r.Restored = append(r.Restored, d)
			}
		case !found.missing():
			d, err := f.setAside(id, found)
			if err != nil {
				r.Failed = append(r.Failed, err)
			}
			r.Damaged = append(r.Damaged, d)
		}
	}
	for _, path := range s.leftovers {
		if err := remove(path); err != nil {
			r.Failed = append(r.Failed, fmt.Errorf("remove what an interrupted write has left: %w", err))
		} else {
			r.Leftovers = append(r.Leftovers, path)
		}
	}
	syncDir(f.dir)
	return r
}

// restore makes the previous file the current one.
func (f files) restore(id string, found found) (Damaged, error) {
	d := Damaged{ID: id, Reason: "the writing of a later version was interrupted"}
	if !errors.Is(found.damage, fs.ErrNotExist) {
		moved, err := f.moveAway(f.current(id))
		if err != nil {
			return d, err
		}
		d.File, d.Reason = moved, found.damage.Error()
	}
	if err := os.Rename(f.previous(id), f.current(id)); err != nil {
		return d, fmt.Errorf("restore the previous state of workload %s: %w", id, err)
	}
	return d, nil
}

// setAside moves what there is of a record away.
func (f files) setAside(id string, found found) (Damaged, error) {
	d := f.damaged(id, found)
	var failed []error
	for _, path := range []string{f.previous(id), f.current(id)} {
		switch moved, err := f.moveAway(path); {
		case err == nil:
			d.File = moved // the current one's, if there is one
		case !errors.Is(err, fs.ErrNotExist):
			failed = append(failed, err)
		}
	}
	return d, errors.Join(failed...)
}

// damaged says what is wrong with a record that is not whole.
func (f files) damaged(id string, found found) Damaged {
	switch {
	case errors.Is(found.damage, fs.ErrNotExist):
		return Damaged{ID: id, File: f.previous(id), Reason: found.previous.Error()}
	case errors.Is(found.previous, fs.ErrNotExist):
		return Damaged{ID: id, File: f.current(id), Reason: found.damage.Error()}
	}
	return Damaged{ID: id, File: f.current(id), Reason: fmt.Sprintf("%v; and of the version before it, %v", found.damage, found.previous)}
}

// moveAway moves a file to where what is damaged is kept, and returns its path there.
func (f files) moveAway(path string) (string, error) {
	if _, err := os.Lstat(path); err != nil {
		return "", err
	}
	dir := filepath.Join(f.dir, damagedDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("move %s away: %w", path, err)
	}
	name, _ := strings.CutSuffix(filepath.Base(path), suffix)
	to := filepath.Join(dir, name+suffix)
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return "", fmt.Errorf("move %s away: %w", path, err)
		}
		to = filepath.Join(dir, name+"."+strconv.Itoa(n)+suffix)
	}
	if err := os.Rename(path, to); err != nil {
		return "", fmt.Errorf("move a damaged file away: %w", err)
	}
	if err := prune(dir, to); err != nil {
		return "", fmt.Errorf("remove the oldest of the damaged files: %w", err)
	}
	return to, nil
}

// maxDamaged is how many damaged files are kept.
const maxDamaged = 32

// prune removes the files of a directory that were written first, until there are no more than maxDamaged; one is
// kept in any case.
func prune(dir, keep string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= maxDamaged {
		return err
	}
	written := make(map[string]time.Time, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it has just gone
			written[e.Name()] = info.ModTime()
		}
	}
	delete(written, filepath.Base(keep))
	names := slices.SortedFunc(maps.Keys(written), func(a, b string) int { return written[a].Compare(written[b]) })
	for _, name := range names[:max(0, len(names)+1-maxDamaged)] {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove forgets all that there is of a workload in dir, damaged or not, and reports whether there was
// anything. The caller has the lock of the data directory.
func Remove(dir, id string) (bool, error) {
	if err := checkID(id); err != nil {
		return false, err
	}
	f := files{dir: dir}
	paths := []string{f.previous(id), f.current(id)}
	aside, err := f.movedAway()
	if err != nil {
		return false, err
	}
	for _, d := range aside {
		if d.ID == id {
			paths = append(paths, d.File)
		}
	}
	removed, err := removeAll(paths)
	syncDir(dir)
	return len(removed) > 0, err
}

// RemoveDamaged removes all that was moved away in dir, and returns the paths. The caller has the lock of the
// data directory.
func RemoveDamaged(dir string) ([]string, error) {
	aside, err := files{dir: dir}.movedAway()
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, d := range aside {
		paths = append(paths, d.File)
	}
	return removeAll(paths)
}

// removeAll removes those of the files that there are, and returns them.
func removeAll(paths []string) ([]string, error) {
	var removed []string
	for _, path := range paths {
		switch err := os.Remove(path); {
		case err == nil:
			removed = append(removed, path)
		case !errors.Is(err, fs.ErrNotExist):
			return removed, fmt.Errorf("remove the state of a workload: %w", err)
		}
	}
	return removed, nil
}
