package preflight_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// find returns the item of the group with the name.
func find(t *testing.T, g checklist.Group, name string) checklist.Item {
	t.Helper()
	for _, i := range g.Items {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("%s has no item %s: %+v", g.Title, name, g.Items)
	return checklist.Item{}
}

// finding is what a test expects of an item: an empty do that it is OK, and any other that it is
// not, and says so.
type finding struct {
	name     string
	do       string
	optional bool
}

func (want finding) check(t *testing.T, g checklist.Group) checklist.Item {
	t.Helper()
	got := find(t, g, want.name)
	switch {
	case want.do == "" && (!got.OK || got.Do != ""):
		t.Errorf("%s is missing: %s; want it found", want.name, got.Do)
	case want.do != "" && got.OK:
		t.Errorf("%s is found at %s, want it missing", want.name, got.Path)
	case !strings.Contains(got.Do, want.do):
		t.Errorf("%s: do = %q, want %q in it", want.name, got.Do, want.do)
	}
	if got.Optional != want.optional {
		t.Errorf("%s: optional = %t, want %t", want.name, got.Optional, want.optional)
	}
	return got
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func chmod(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// writeScript makes a program out of shell commands, in a folder of its own.
func writeScript(t *testing.T, name, commands string) (dir string) {
	t.Helper()
	return writeProgram(t, name, "#!/bin/sh\n"+commands)
}

// writeProgram makes a program. A child that another test forks in the meantime would hold the file
// open for writing, so that it could not be executed; hence the lock, which keeps them from forking.
func writeProgram(t *testing.T, name, content string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
