package process

import (
	"os"
	"path/filepath"
)

func defaultPath() string {
	root := os.Getenv("SystemRoot")
	return filepath.Join(root, "System32") + string(os.PathListSeparator) + root
}

// systemEnvironment is what the system's own libraries look for: without SystemRoot a program cannot
// open a socket.
func systemEnvironment(h home) []string {
	return []string{
		"SystemRoot=" + os.Getenv("SystemRoot"),
		"USERPROFILE=" + h.work(),
		"TEMP=" + h.tmp(),
		"TMP=" + h.tmp(),
	}
}
