// Package binpath finds the programs that a node needs besides itself.
package binpath

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Find returns the absolute path of the program name. It looks into the given folders, the bin_path
// of the configuration; without any, beside the running program and then on the PATH.
func Find(name string, dirs []string) (string, error) {
	file := name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	looked := dirs
	if len(dirs) == 0 {
		if self, err := os.Executable(); err == nil {
			looked = append(looked, filepath.Dir(self))
		}
	}
	for _, dir := range looked {
		whole, err := filepath.Abs(dir) // a bare name would be looked for on the PATH
		if err != nil {
			return "", fmt.Errorf("find folder %s of bin_path: %w", dir, err)
		}
		if path, err := exec.LookPath(filepath.Join(whole, file)); err == nil {
			return path, nil
		}
	}
	if len(dirs) == 0 {
		if path, err := exec.LookPath(file); err == nil {
			return filepath.Abs(path)
		}
		looked = append(looked, "$PATH")
	}
	return "", fmt.Errorf("%s was not found in %s: put it beside nex, or name its folder in bin_path", name, strings.Join(looked, ", "))
}
