package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// EnvVar names the environment variable that chooses the data directory.
const EnvVar = "NEX_DATA_DIR"

// Default returns the data directory of a user who chose none: $NEX_DATA_DIR, else nex under
// $XDG_DATA_HOME if that is an absolute path, else the place that the system has for such things.
// It fails only when the environment does not even name a home directory. It touches no file.
func Default() (string, error) {
	return defaultFor(runtime.GOOS, os.Getenv)
}

func defaultFor(goos string, getenv func(string) string) (string, error) {
	if dir := getenv(EnvVar); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nex"), nil
	}
	base, below := getenv("HOME"), []string{".local", "share", "nex"}
	switch goos {
	case "darwin":
		below = []string{"Library", "Application Support", "nex"}
	case "windows":
		base, below = getenv("LocalAppData"), []string{"nex"}
	}
	if base == "" {
		return "", errors.New("there is no home directory to keep data in: name one with --data-dir or " + EnvVar)
	}
	return filepath.Join(append([]string{base}, below...)...), nil
}
