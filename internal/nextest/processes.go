package nextest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// Processes returns the ids of the processes that have text among their arguments, this one
// excepted. It needs /proc. Processes that have ended and were not waited for have no arguments.
func Processes(text string) ([]int, error) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		return nil, errors.New("there is no /proc to look for processes in")
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(line, []byte(text)) {
			continue // what has ended meanwhile is not there
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && id != os.Getpid() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
