package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runCI runs .ci/run where id and uname say these things, and make only notes what it is to do.
func runCI(t *testing.T, uid, system string) (made, stderr string, err error) {
	t.Helper()
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	for name, script := range map[string]string{
		"id": "echo " + uid, "uname": "echo " + system, "make": `echo "$@" >>"` + notes + `"`, "zsh": ":", "fish": ":",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "../../.ci/run")
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	var errs strings.Builder
	cmd.Stderr = &errs
	err = cmd.Run()
	b, _ := os.ReadFile(notes) // there is none if make was not run
	return string(b), errs.String(), err
}

// Tests that need root skip without it, as .ci/skips says they may: CI is to run them.
func TestCINeedsRoot(t *testing.T) { // not parallel: a fork of another would hold the scripts open for writing
	const all = "check\n--silent clean-tree\ntest\n--silent clean-tree\n"
	for _, tt := range []struct {
		name, uid, system string
		made, told        string
	}{
		{"root", "0", "Linux", all, ""},
		{"another user", "1000", "Linux", "", ".ci/run needs root, without which the tests of sandboxes, faults and forms of NATS skip: run it as root, or make test for all the others\n"},
		{"elsewhere", "501", "Darwin", all, ""}, // root would change nothing
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, told, err := runCI(t, tt.uid, tt.system)
			if made != tt.made || told != tt.told || (err != nil) != (tt.told != "") {
				t.Errorf("it makes %q, says %q and ends with %v\nwant %q and %q", made, told, err, tt.made, tt.told)
			}
		})
	}
}
