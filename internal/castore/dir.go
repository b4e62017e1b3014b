package castore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// PrepareDir makes the directory of a store with mode 0700 if it is not there, and returns its absolute path.
// One that others can write to is refused.
func PrepareDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	// Windows has no such bits.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("other users can write to %s: chmod it to 700", dir)
	}
	return dir, nil
}

// IsDigest reports whether s is a sha256 in lower-case hex, which is also a safe file name.
func IsDigest(s string) bool {
	return len(s) == hex.EncodedLen(sha256.Size) && strings.Trim(s, "0123456789abcdef") == ""
}
