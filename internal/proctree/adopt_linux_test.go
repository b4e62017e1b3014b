package proctree_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
)

// stranger starts a shell that leads a session of its own and whose parent is not this process, but one that asks
// for how it ends. It returns who it is and what ends its script's "read line".
func stranger(t *testing.T, script string) (root proctree.Identity, goOn func()) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `setsid sh -c "$1" <&3 >/dev/null 2>&1 3<&- & exec 3<&-; echo $!; wait`, "sh", script)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd.ExtraFiles = []*os.File{read}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	root = identify(t, pid)
	goOn = sync.OnceFunc(func() { write.Close() })
	t.Cleanup(func() {
		if err := proctree.Kill(context.Background(), proctree.Scope{Root: root}); err != nil {
			t.Error(err)
		}
		goOn()
		_ = cmd.Wait()
	})
	return root, goOn
}

// tellsStrangers reports whether the kernel says how a process has ended to others than its parent.
func tellsStrangers(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	var major, minor int
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 15
}

func TestWatch(t *testing.T) {
	t.Parallel()
	root, goOn := stranger(t, "read line")
	ended, release, err := proctree.Watch(root)
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	unwanted, giveUp, err := proctree.Watch(root)
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	giveUp()
	giveUp()
	select {
	case <-ended:
		t.Fatal("the process is said to have ended, and runs")
	default:
	}
	goOn()
	<-ended
	if root.Running() {
		t.Error("the process is said to have ended, and runs")
	}
	release()
	release()
	select {
	case <-unwanted:
		t.Error("who does not want to know is told")
	default:
	}
	if _, _, err := proctree.Watch(root); !errors.Is(err, proctree.ErrNotFound) {
		t.Errorf("Watch of nobody = %v, want %v", err, proctree.ErrNotFound)
	}
	self, err := proctree.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.StartTime++
	if _, _, err := proctree.Watch(self); !errors.Is(err, proctree.ErrNotFound) {
		t.Errorf("Watch of another process with the number = %v, want %v", err, proctree.ErrNotFound)
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		want         nex.Exit
	}{
		{"status", "read line; exit 7", nex.Exit{Code: 7}},
		{"signal", "read line; kill -TERM $$", nex.Exit{Code: -1, Signal: "SIGTERM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, goOn := stranger(t, c.script)
			tree, err := proctree.Adopt(root)
			if err != nil {
				t.Fatalf("Adopt: %v", err)
			}
			if tree.Root() != root || tree.PID() != root.PID {
				t.Errorf("root = %+v, want %+v", tree.Root(), root)
			}
			goOn()
			<-tree.Exited()
			eventually(t, "its parent reaps it", func() bool {
				_, err := proctree.Identify(root.PID)
				return errors.Is(err, proctree.ErrNotFound)
			})
			for range 2 {
				if err := tree.Wait(); err != nil {
					t.Errorf("Wait: %v", err)
				}
			}
			want := c.want
			if !tellsStrangers(t) {
				want = proctree.UnknownExit
			}
			if got := tree.Exit(); got != want {
				t.Errorf("exit = %+v, want %+v", got, want)
			}
			if err := tree.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("Signal = %v, want %v", err, os.ErrProcessDone)
			}
			if _, err := proctree.Adopt(root); !errors.Is(err, proctree.ErrNotFound) {
				t.Errorf("Adopt of one that has ended = %v, want %v", err, proctree.ErrNotFound)
			}
		})
	}
}

// A process that has become another program is adopted by itself: its children are still its own, and tell it how
// they end.
func TestAdoptOwnChild(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sh", "-c", "read line; exit 7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree, err := proctree.Adopt(identify(t, strconv.Itoa(cmd.Process.Pid)))
	if err != nil {
		t.Fatalf("Adopt: %v", err)
	}
	in.Close()
	if err := tree.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
	if got, want := tree.Exit(), (nex.Exit{Code: 7}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not reaped")
	}
}

func TestAdoptedIsKilled(t *testing.T) {
	t.Parallel()
	value := unique(t)
	// The marked one is none of the root's.
	marked, _ := stranger(t, "PROCTREE_MARK="+value+" exec sleep 300")
	root, _ := stranger(t, "sleep 300 & setsid sleep 300 & wait")
	tree, err := proctree.Adopt(root, proctree.Marked("PROCTREE_MARK", value))
	if err != nil {
		t.Fatalf("Adopt: %v", err)
	}
	kill(t, tree)
	<-tree.Exited()
	wantGone(t, root, "the root")
	eventually(t, "the marked process ends", func() bool { return !marked.Running() })
	kill(t, tree)
	if err := tree.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
}
