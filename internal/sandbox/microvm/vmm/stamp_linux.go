package vmm

import (
	"fmt"
	"os"
)

// Stamp stands for a file as it is now: one that was replaced or written to has another.
func Stamp(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%q %d %d", path, info.Size(), info.ModTime().UnixNano()), nil
}
