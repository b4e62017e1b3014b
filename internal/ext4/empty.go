package ext4

import (
	"fmt"
	"os"
)

// Directories of an empty file system, for an overlay.
const (
	UpperDir = "upper"
	WorkDir  = "work"
)

// MakeEmpty makes the file path, which must not exist, an empty file system of the size, with the directories
// UpperDir and WorkDir of root's. The file can only be read and written by its owner, and takes hardly any room
// until the file system is used. If it fails there is no file.
func MakeEmpty(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make an empty file system: %w", err)
	}
	err = writeEmpty(f, size)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path) // it was made here
		return fmt.Errorf("make an empty file system in %s: %w", path, err)
	}
	return nil
}

func writeEmpty(f *os.File, size int64) error {
	w, err := NewWriter(f, Options{Size: size, Label: "nex-overlay"})
	if err != nil {
		return err
	}
	for _, dir := range []string{UpperDir, WorkDir} {
		if err := w.Mkdir(dir, Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Truncate(size)
}
