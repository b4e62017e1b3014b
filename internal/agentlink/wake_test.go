//go:build unix

package agentlink_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/nextest"
)

// newWaker is an agent's end in a directory of a link, as it is when the agent has opened it.
func newWaker(t *testing.T) (dir string, w *agentlink.Waker) {
	t.Helper()
	dir = t.TempDir()
	node, err := agentlink.MakeWaker(dir)
	if err != nil {
		t.Fatal(err)
	}
	if w, err = agentlink.OpenWaker(agentlink.Bootstrap{LinkDir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, w
}

func wake(t *testing.T, dir string) {
	t.Helper()
	if err := agentlink.Wake(dir); err != nil {
		t.Fatal(err)
	}
}

func wantTold(t *testing.T, w *agentlink.Waker, patience time.Duration, want bool) {
	t.Helper()
	if told, err := w.Wait(t.Context(), patience); told != want || err != nil {
		t.Fatalf("Wait = %v, %v, want %v", told, err, want)
	}
}

// An agent is woken by each process of its node, whether it waits already or not.
func TestWake(t *testing.T) {
	t.Parallel()
	dir, w := newWaker(t)
	wantTold(t, w, 20*time.Millisecond, false)
	for range 5 {
		woken := make(chan bool)
		go func() {
			told, err := w.Wait(context.Background(), nextest.Patience)
			woken <- told && err == nil
		}()
		wake(t, dir)
		if !<-woken {
			t.Fatal("an agent that waits is not told")
		}
		wake(t, dir)
		wake(t, dir)
		wantTold(t, w, nextest.Patience, true)
		wantTold(t, w, 20*time.Millisecond, false)
	}
}

// Who waits gives up with its context.
func TestWakeCancelled(t *testing.T) {
	t.Parallel()
	_, w := newWaker(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	began := time.Now()
	if told, err := w.Wait(ctx, time.Hour); told || err != nil || time.Since(began) > nextest.Patience {
		t.Errorf("Wait = %v, %v after %v", told, err, time.Since(began))
	}
}

// A node never waits for an agent that does not look, nor for one that is gone or was of a version without this.
func TestWakeNobody(t *testing.T) {
	t.Parallel()
	dir, w := newWaker(t)
	for range 70_000 { // more than a FIFO holds
		wake(t, dir)
	}
	wantTold(t, w, nextest.Patience, true)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wake(t, dir)
	wake(t, t.TempDir())
}

// What somebody has put in the place of the FIFO is left alone.
func TestWakeNoFIFO(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path, other string) error{
		"file": func(path, _ string) error { return os.WriteFile(path, []byte("content"), 0o600) },
		"link": func(path, other string) error { return os.Symlink(other, path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
			path := filepath.Join(dir, agentlink.WakeName)
			if err := os.WriteFile(other, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := put(path, other); err != nil {
				t.Fatal(err)
			}
			if err := agentlink.Wake(dir); err == nil {
				t.Error("Wake succeeded")
			}
			if _, err := agentlink.OpenWaker(agentlink.Bootstrap{LinkDir: dir}); err == nil {
				t.Error("OpenWaker succeeded")
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "content" {
				t.Errorf("it has %q now, %v", b, err)
			}
		})
	}
	if _, err := agentlink.OpenWaker(agentlink.Bootstrap{LinkDir: t.TempDir()}); err == nil {
		t.Error("OpenWaker succeeded without a FIFO")
	}
}
