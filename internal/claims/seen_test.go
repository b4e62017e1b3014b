package claims_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nex-engine/nex/internal/claims"
)

func add(t *testing.T, s *claims.Seen, id string, until time.Time, fresh bool) {
	t.Helper()
	if got, err := s.Add(id, until); err != nil || got != fresh {
		t.Errorf("Add(%s) = %v, %v, want %v", id, got, err, fresh)
	}
}

// restarted opens what a process that was killed has left at path. It is a copy, for not every system
// lets go of a file that is still open.
func restarted(t *testing.T, path string) *claims.Seen {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "seen")
	if err := os.WriteFile(left, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return openSeen(t, left)
}

func TestSeenRemembers(t *testing.T) {
	path, soon := filepath.Join(t.TempDir(), "seen"), time.Now().Add(time.Hour)
	s := openSeen(t, path)
	add(t, s, "a", soon, true)
	add(t, s, "b", soon, true)
	add(t, s, "a", soon, false)
	add(t, s, "a", soon.Add(time.Hour), false)
	s = restarted(t, path)
	add(t, s, "a", soon, false)
	add(t, s, "b", soon, false)
	add(t, s, "c", soon, true)
}

func TestSeenFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seen")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	openSeen(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" { // which has no such modes
		t.Errorf("mode = %o, want 600", mode)
	}
}

func TestSeenShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "seen")
		s := openSeen(t, path)
		for i := range 100 {
			add(t, s, fmt.Sprintf("old%d", i), time.Now().Add(time.Minute), true)
		}
		add(t, s, "new", time.Now().Add(time.Hour), true)
		time.Sleep(time.Minute + time.Second)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openSeen(t, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// What has expired is one line together.
		if n := bytes.Count(b, []byte("\n")); n != 2 || bytes.Contains(b, []byte(" old")) {
			t.Errorf("%d lines are left, want that of the claims that are still valid and one: %s", n, b)
		}
		add(t, s, "new", time.Now().Add(time.Hour), false)
		add(t, s, "old1", time.Now().Add(time.Hour), true)
	})
}

// While the process runs, memory is bounded by what is still valid.
func TestSeenForgetsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSeen(t, filepath.Join(t.TempDir(), "seen"))
		add(t, s, "old", time.Now().Add(time.Minute), true)
		time.Sleep(2 * time.Minute)
		add(t, s, "old", time.Now().Add(time.Minute), false) // harmless: claims that old are refused before
		for i := range 5000 {
			add(t, s, strconv.Itoa(i), time.Now().Add(time.Minute), true)
		}
		add(t, s, "old", time.Now().Add(time.Minute), true)
		add(t, s, "4999", time.Now().Add(time.Minute), false)
	})
}

func TestSeenReadsDamagedFiles(t *testing.T) {
	until := strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)
	good := until + " good\n"
	for name, damaged := range map[string]string{
		"torn last line":           good + until + " ba",
		"torn time":                good + until[:4],
		"only a torn line":         good + until + " ",
		"no numbers":               "x y\n" + good + "\n \nx\n",
		"number too large":         strings.Repeat("9", 30) + " x\n" + good,
		"zeros":                    good + strings.Repeat("\x00", 1<<20),
		"zeros in front":           strings.Repeat("\x00", 1<<20) + "\n" + good,
		"carriage returns":         "1\r\n" + good,
		"bytes that are not UTF-8": "\xff\xfe\n" + good,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seen")
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			s, soon := openSeen(t, path), time.Now().Add(time.Hour)
			add(t, s, "good", soon, false)
			add(t, s, "bad", soon, true)
			s = restarted(t, path)
			add(t, s, "good", soon, false)
			add(t, s, "bad", soon, false)
		})
	}
}

// A disk that is full for a while can take half a line; the next one must not be lost with it.
func TestSeenRecoversFromAFailedWrite(t *testing.T) {
	path, soon := filepath.Join(t.TempDir(), "seen"), time.Now().Add(time.Hour)
	s := openSeen(t, path)
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	file := s.SwapFile(readOnly)
	if fresh, err := s.Add("a", soon); err == nil || !fresh {
		t.Errorf("Add = %v, %v, want fresh and an error", fresh, err)
	}
	if _, err := file.WriteString("1700000000 half-an-"); err != nil { // what was written of it
		t.Fatal(err)
	}
	s.SwapFile(file)
	add(t, s, "b", soon, true)
	add(t, s, "c", soon, true)
	add(t, s, "a", soon, false) // this process knows

	s = restarted(t, path)
	for _, id := range []string{"b", "c"} {
		add(t, s, id, soon, false)
	}
}

func TestSeenLetsOneThrough(t *testing.T) {
	path, soon := filepath.Join(t.TempDir(), "seen"), time.Now().Add(time.Hour)
	s := openSeen(t, path)
	const ids, each = 50, 8
	var fresh [ids]atomic.Int32
	var group sync.WaitGroup
	for range each {
		group.Go(func() {
			for i := range ids {
				if ok, err := s.Add(strconv.Itoa(i), soon); err != nil {
					t.Error(err)
				} else if ok {
					fresh[i].Add(1)
				}
			}
		})
	}
	group.Wait()
	for i := range fresh {
		if n := fresh[i].Load(); n != 1 {
			t.Errorf("id %d was let through %d times", i, n)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n != ids {
		t.Errorf("the file has %d lines, want %d", n, ids)
	}
}

func TestOpenSeenFails(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"folder missing": filepath.Join(dir, "missing", "seen"),
		"a folder":       dir,
	} {
		if s, err := claims.OpenSeen(path); err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
		}
	}
}

func TestSeenFileShrinksWhileOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "seen")
		s := openSeen(t, path)
		for i := range 10_000 {
			add(t, s, strconv.Itoa(i), time.Now().Add(time.Second), true)
			time.Sleep(time.Millisecond)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(b, []byte("\n")); lines > 5000 {
			t.Errorf("the file has %d lines although all but the last 1000 have expired", lines)
		}
		add(t, s, "9999", time.Now().Add(time.Minute), false)
	})
}
