//go:build unix

package agent_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/agent"
	"github.com/nex-engine/nex/internal/agentlink"
)

func TestLookIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/prog": 0o644, "b/prog": 0o755, "c/prog": 0o755} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "a", "directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	search := "PATH=" + dir + "/missing:relative::" + dir + "/a:" + dir + "/b:" + dir + "/c"
	for _, c := range []struct {
		name    string
		env     []string
		program string
		want    string // empty: an error
	}{
		{"first that can be run", []string{"X=1", search}, "prog", dir + "/b/prog"},
		{"absolute", nil, dir + "/a/prog", dir + "/a/prog"},
		{"absolute, not there", nil, dir + "/nothing", ""},
		{"relative", nil, "./b/prog", "./b/prog"},
		{"below", nil, "b/prog", "b/prog"},
		{"relative, not there", nil, "./prog", ""},
		{"no PATH", nil, "prog", ""},
		{"empty PATH", []string{"PATH="}, "prog", ""},
		{"not there", []string{search}, "other", ""},
		{"a directory", []string{search}, "directory", ""},
		{"nothing", []string{search}, "", ""},
	} {
		got, err := agent.LookIn(c.env, dir, c.program)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestImageProblem(t *testing.T) {
	t.Parallel()
	i := &agentlink.Image{Command: []string{"/bin/prog", "x"}, Dir: "/home/app", UID: 7}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "chdir", Path: i.Dir, Err: syscall.EACCES}, "user 7 of its image cannot be in the working directory /home/app: permission denied"},
		{&fs.PathError{Op: "fork/exec", Path: "/bin/prog", Err: syscall.EACCES}, "user 7 of its image may not execute /bin/prog"},
		{&fs.PathError{Op: "fork/exec", Path: "/bin/prog", Err: syscall.ENOENT}, "its image lacks a file that /bin/prog needs"},
		{&fs.PathError{Op: "fork/exec", Path: "/bin/prog", Err: syscall.ENOEXEC}, "exec format error"},
	} {
		if got := agent.ImageProblem(i, c.err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestImageEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		image *agentlink.Image
		want  map[string]string
	}{
		{"no image", nil, map[string]string{}},
		{"home of its user", &agentlink.Image{Home: "/h"}, map[string]string{"HOME": "/h"}},
		{"home of its own", &agentlink.Image{Home: "/h", Environment: []string{"HOME=/own", "A=b=c", "E="}}, map[string]string{"HOME": "/own", "A": "b=c", "E": ""}},
		{"malformed", &agentlink.Image{Environment: []string{"", "=x", "none", "Z=\x00"}}, map[string]string{}},
	} {
		if got := agent.ImageEnvironment(c.image); !maps.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStopSignal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]syscall.Signal{
		"": syscall.SIGTERM, "SIGQUIT": syscall.SIGQUIT, "quit": syscall.SIGQUIT, "3": syscall.SIGQUIT,
		"SIGNONE": syscall.SIGTERM, "0": syscall.SIGTERM, "-9": syscall.SIGTERM, "65": syscall.SIGTERM,
	} {
		if got := agent.StopSignal(name); got != want {
			t.Errorf("signal %q = %v, want %v", name, got, want)
		}
	}
}
