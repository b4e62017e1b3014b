package datadir_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/datadir"
)

// holdEnv makes the test binary open the directory that it names and hold it until it is killed.
const holdEnv = "DATADIR_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

func hold(path string) {
	if _, err := datadir.Open(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends, if it does not kill us first
	os.Exit(0)
}

func TestDefaultUsesEnvironment(t *testing.T) {
	t.Setenv(datadir.EnvVar, "somewhere")
	if got, err := datadir.Default(); err != nil || got != "somewhere" {
		t.Errorf("default = %q, %v; want somewhere", got, err)
	}
}

func TestOpenCreatesPrivateDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Path() != path {
		t.Errorf("path = %q, want %q", d.Path(), path)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("mode = %v, want 0700", info.Mode().Perm())
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if datadir.Held(path) || datadir.Held(filepath.Join(path, "missing")) {
		t.Error("held before anybody opened it")
	}
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !datadir.Held(path) {
		t.Error("not held while open")
	}
	_, err = datadir.Open(path)
	want := "another nex uses the data directory " + path + ": stop it, or choose another with --data-dir"
	if err == nil || err.Error() != want {
		t.Errorf("second open: %v, want %q", err, want)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if datadir.Held(path) {
		t.Error("held after close")
	}
	d, err = datadir.Open(path)
	if err != nil {
		t.Fatalf("open again: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockEndsWithProcess(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "held\n" {
		t.Errorf("the other process says %q, %v", line, err)
	}
	if !datadir.Held(path) {
		t.Error("not held while the other process lives")
	}
	if _, err := datadir.Open(path); err == nil {
		t.Error("opened what another process holds")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if datadir.Held(path) {
		t.Error("held after the other process was killed")
	}
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatalf("open after the other process was killed: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever asks whether the directory is held must not make a starting nex believe that it is.
func TestHeldDoesNotDisturbOpen(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	done := make(chan struct{})
	var askers sync.WaitGroup
	for range 2 {
		askers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					datadir.Held(path)
					runtime.Gosched()
				}
			}
		})
	}
	for range 50 {
		d, err := datadir.Open(path)
		if err != nil {
			t.Error(err)
			break
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	askers.Wait()
}

func TestHolderFileNeverOutlivesItsHolder(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	note := filepath.Join(path, datadir.HolderFile)
	leave := func() {
		t.Helper()
		if err := os.WriteFile(note, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(when string) {
		t.Helper()
		if _, err := os.Stat(note); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the note is still there (%v)", when, err)
		}
	}
	leave() // as a killed process does
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	gone("after open")
	leave()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	gone("after close")
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		root    bool // also refused to root
		want    string
	}{
		{"a file", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, true, "is not a directory"},
		{"below a file", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(path, "d")
		}, true, "cannot be created"},
		{"lock is a directory", func(t *testing.T, dir string) string {
			if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, true, "cannot be written to"},
		{"read-only", func(t *testing.T, dir string) string { return chmod(t, dir, 0o500) }, false, "cannot be written to"},
		{"unreadable", func(t *testing.T, dir string) string { return chmod(t, dir, 0o300) }, false, "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !tt.root && (os.Geteuid() == 0 || runtime.GOOS == "windows") {
				t.Skip("permissions do not bind this user")
			}
			path := tt.prepare(t, t.TempDir())
			_, err := datadir.Open(path)
			if err == nil {
				t.Fatal("opened it")
			}
			for _, part := range []string{"the data directory " + path + " " + tt.want, "choose another with --data-dir"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error = %q, want it to contain %q", err, part)
				}
			}
		})
	}
}

func chmod(t *testing.T, dir string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Error(err)
		}
	})
	return dir
}
