package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/preflight/checklist"
	"github.com/nex-engine/nex/internal/preflight/diskspace"
	"github.com/nex-engine/nex/internal/upstate"
)

// DataDir checks that the data directory is there or can be made, may be written to, belongs to no
// other process, is private, and has minFree bytes of space. The pidFile is checked as well unless
// it is empty, which means that it lies in the data directory.
func DataDir(path, pidFile string, minFree uint64) checklist.Group {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	g := checklist.NewGroup("Data directory", path)
	base, err := place(path)
	if err != nil {
		err = fmt.Errorf("%w: choose another with --data-dir", err)
	}
	g.Add(checklist.Item{Name: "data-directory", Path: path, Description: "data directory that can be written to"}.Unless(err))
	if err == nil {
		if base == path {
			g.Add(free(path))
			g.Add(private(path)...)
		}
		g.Add(space(path, base, minFree))
	}
	if pidFile != "" {
		g.Add(checklist.Item{Name: "pid-file", Path: pidFile, Description: "file for the process id"}.Unless(checkPIDFile(pidFile)))
	}
	return g
}

// place returns the directory at path or, if it is missing, the one below which it can be made.
func place(path string) (string, error) {
	base := path
	info, err := os.Stat(base)
	for err != nil && !exists(base) && filepath.Dir(base) != base {
		base = filepath.Dir(base)
		info, err = os.Stat(base)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be looked at (%w)", base, cause(err))
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a directory", base)
	}
	if err := mayWrite(base); err != nil {
		return "", fmt.Errorf("%s cannot be written to (%w)", base, cause(err))
	}
	return base, nil
}

// exists reports whether there is something at path, be it a link that leads nowhere, below which
// nothing can be made.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// free checks that no process has the directory open, and that one could.
func free(path string) checklist.Item {
	item := checklist.Item{Name: "data-directory-free", Path: path, Description: "data directory that no other nex uses"}
	if datadir.Held(path) {
		who := "another nex"
		if state, ok := upstate.Live(path); ok {
			who = fmt.Sprintf("nex up, process %d", state.PID)
		}
		return item.Missing(fmt.Sprintf("%s uses it: stop it, or choose another with --data-dir", who))
	}
	if _, err := lockFree(path); err != nil {
		return item.Missing(fmt.Sprintf("it cannot be locked (%v): choose one on a local disk with --data-dir", cause(err)))
	}
	return item.Found()
}

// private checks that only the owner gets at what is in the directory, where permissions tell.
func private(path string) []checklist.Item {
	info, err := os.Stat(path)
	if runtime.GOOS == "windows" || err != nil {
		return nil
	}
	item := checklist.Item{Name: "data-directory-private", Path: path, Description: "data directory that is private", Optional: true}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return []checklist.Item{item.Missing(fmt.Sprintf("other users may look into it (its mode is %04o): chmod 700 %s", perm, path))}
	}
	return []checklist.Item{item.Found()}
}

func space(path, base string, minFree uint64) checklist.Item {
	item := checklist.Item{Name: "disk-space", Path: path, Description: "at least " + diskspace.Size(minFree) + " of free space", Optional: true}
	free, err := diskspace.Free(base)
	switch {
	case err != nil:
		return item.Missing(fmt.Sprintf("it is not known how much there is (%v): make sure that it is enough", cause(err)))
	case free < minFree:
		return item.Missing(fmt.Sprintf("there is only %s: free some, or choose another with --data-dir", diskspace.Size(free)))
	}
	return item.Found()
}

// checkPIDFile checks that the file could be made and locked.
func checkPIDFile(path string) error {
	const otherwise = "set pid_filepath to another file"
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := place(filepath.Dir(path)); err != nil {
			return fmt.Errorf("%w: %s", err, otherwise)
		}
		return nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a file: %s", otherwise)
	}
	free, err := lockFree(path)
	if err != nil {
		return fmt.Errorf("it cannot be locked (%w): %s", cause(err), otherwise)
	}
	if !free {
		return fmt.Errorf("another node holds it: stop it, or %s", otherwise)
	}
	return nil
}

// cause drops the path, which a sentence says anyhow.
func cause(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
