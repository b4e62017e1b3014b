package proctree_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/proctree"
)

func TestSignalReachesTheGroup(t *testing.T) {
	t.Parallel()
	tree := start(t, shell("sleep 300 & echo $!; wait"))
	child := tree.process(t)
	if err := tree.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("Signal: %v", err)
	}
	<-tree.Exited()
	eventually(t, "the child of the root ends", func() bool { return !child.Running() })
}

func TestSignalAfterWait(t *testing.T) {
	t.Parallel()
	tree := start(t, shell("exit 0"))
	if err := tree.Wait(); err != nil {
		t.Fatalf("Wait: %v", err)
	}
	if err := tree.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal = %v, want %v", err, os.ErrProcessDone)
	}
}

func TestExitOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		want         nex.Exit
	}{
		{"success", "exit 0", nex.Exit{}},
		{"status", "exit 7", nex.Exit{Code: 7}},
		{"signal", "kill -TERM $$", nex.Exit{Code: -1, Signal: "SIGTERM"}},
		{"kill", "kill -KILL $$", nex.Exit{Code: -1, Signal: "SIGKILL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := shell(c.script)
			tree, err := proctree.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			_ = tree.Wait()
			if got := proctree.ExitOf(cmd.ProcessState); got != c.want {
				t.Errorf("exit = %+v, want %+v", got, c.want)
			}
		})
	}
	if got, want := proctree.ExitOf(nil), (nex.Exit{Code: -1}); got != want {
		t.Errorf("exit of no state = %+v, want %+v", got, want)
	}
}

func TestWaitSaysTheSameToAll(t *testing.T) {
	t.Parallel()
	tree := start(t, shell("exit 7"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			var exit *exec.ExitError
			if err := tree.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
				t.Errorf("Wait = %v, want exit status 7", err)
			}
		})
	}
	group.Wait()
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	_, err := proctree.Start(exec.Command(filepath.Join(t.TempDir(), "missing")))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start = %v, want %v", err, os.ErrNotExist)
	}
}

func TestKillEndsTheTree(t *testing.T) {
	t.Parallel()
	const deaf = `sh -c "trap : TERM INT HUP; echo \$\$; while :; do sleep 300; done"`
	for _, c := range []struct {
		name, script string
		processes    int
	}{
		{"root alone", `echo $$; exec sleep 300`, 1},
		{"child", deaf + ` & wait`, 1},
		{"child in a session of its own", `setsid ` + deaf + ` & wait`, 1},
		{"background child of a root that is gone", deaf + ` &`, 1},
		{"session below a session", `setsid sh -c 'setsid sleep 300 & echo $!; wait' & wait`, 1},
		{"stopped child", `sh -c 'echo $$; kill -STOP $$; sleep 300' & wait`, 1},
		{"many", `for i in 1 2 3 4 5 6 7 8 9 10; do setsid sleep 300 & echo $!; done; wait`, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree := start(t, shell(c.script))
			var ids []proctree.Identity
			for range c.processes {
				ids = append(ids, tree.process(t))
			}
			kill(t, tree.Tree)
			for _, id := range append(ids, tree.Root()) {
				wantGone(t, id, "a process of the tree")
			}
			kill(t, tree.Tree) // nothing to do, no error
		})
	}
}

func TestMarkedFindsWhoLeft(t *testing.T) {
	t.Parallel()
	value := unique(t)
	cmd := shell(`(setsid sleep 300 & echo $!)`)
	cmd.Env = append(os.Environ(), "PROCTREE_MARK="+value)
	tree := start(t, cmd, proctree.Marked("PROCTREE_MARK", value))
	orphan := tree.process(t)
	<-tree.Exited()
	if !orphan.Running() {
		t.Fatal("the orphan ended with its parent; there is nothing to test")
	}
	kill(t, tree.Tree)
	wantGone(t, orphan, "the orphan")
}

func TestKillWithoutTime(t *testing.T) {
	t.Parallel()
	tree := start(t, shell("sleep 300 & echo $!; wait"))
	child := tree.process(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tree.Kill(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Kill = %v, want nil or %v", err, context.Canceled)
	}
	eventually(t, "both have got their signal", func() bool { return !child.Running() && !tree.Root().Running() })
}

func TestKillIsForMany(t *testing.T) {
	t.Parallel()
	tree := start(t, shell("for i in 1 2 3 4 5; do setsid sleep 300 & done; echo $$; wait"))
	tree.process(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { kill(t, tree.Tree) })
	}
	group.Wait()
	wantGone(t, tree.Root(), "the root")
}

// What runs below a subreaper cannot leave it: not by forking twice, not by a session, not by
// clearing its environment, not by never being the same process for longer than a moment.
func TestSubreaperOwnsItsOrphans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain := script(t, dir, "chain", `setsid sh "$0" & exit 0`)
	bomb := script(t, dir, "bomb", `while :; do (setsid sleep 5 & setsid env -i sleep 5 &) ; sleep 0.01; done`)
	for _, c := range []struct {
		name, script string
		processes    int
	}{
		{"double fork", `(setsid env -i sleep 300 & echo $!)`, 1},
		{"triple fork", `(setsid sh -c '(setsid env -i sleep 300 & echo $!)')`, 1},
		{"chain in one group", `sh -c 'f() { f & exit 0; }; f' &`, 0},
		{"chain of sessions", `setsid sh ` + chain + ` &`, 0},
		{"bomb", `for i in 1 2 3 4; do setsid sh ` + bomb + ` & done; sleep 0.3`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := helper("agent", c.script+"\necho done")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			agent := start(t, cmd)
			var ids []proctree.Identity
			for range c.processes {
				ids = append(ids, agent.process(t))
			}
			if got, want := agent.line(t), "kill"; got != want {
				t.Fatalf("the agent says %q, want %q", got, want)
			}
			in.Close()
			if got, want := agent.line(t), "nothing left"; got != want {
				t.Fatalf("the agent says %q, want %q", got, want)
			}
			for _, id := range ids {
				wantGone(t, id, "the orphan")
			}
		})
	}
}

// The node ends an agent from outside with all that the agent is the subreaper of.
func TestKillFromAboveASubreaper(t *testing.T) {
	t.Parallel()
	cmd := helper("agent", "(setsid env -i sleep 300 & echo $!)\necho done")
	cmd.Stdin = blocked(t)
	agent := start(t, cmd)
	orphan := agent.process(t)
	agent.line(t)
	kill(t, agent.Tree)
	wantGone(t, orphan, "the orphan")
	wantGone(t, agent.Root(), "the agent")
}

func TestReaperLeavesCommandsAlone(t *testing.T) {
	t.Parallel()
	if got, want := start(t, helper("reaper")).line(t), "statuses right"; got != want {
		t.Errorf("the helper says %q, want %q", got, want)
	}
}

func TestDeathOfTheOwner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode     string
		survives bool
	}{{"die", false}, {"outlive", true}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			cmd := helper("owner", c.mode)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			if _, err := fmt.Fscan(out, &pid); err != nil {
				t.Fatal(err)
			}
			root := identify(t, fmt.Sprint(pid))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if c.survives {
				if !root.Running() {
					t.Error("the root ended with its owner")
				}
			} else {
				eventually(t, "the root ends with its owner", func() bool { return !root.Running() })
			}
			if err := proctree.Kill(t.Context(), proctree.Scope{Root: root}); err != nil {
				t.Errorf("Kill: %v", err)
			}
			wantGone(t, root, "the root")
		})
	}
}

func TestNoOpenFiles(t *testing.T) {
	t.Parallel()
	tree := start(t, helper("files"))
	var got []string
	for l := range tree.lines {
		got = append(got, l)
	}
	slices.Sort(got)
	// The shell that lists the directory has it open as well, as 3.
	if want := []string{"0", "1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("open files = %v, want %v", got, want)
	}
}

func TestThreadOfItsOwn(t *testing.T) {
	t.Parallel()
	// The root must not die with whatever thread happened to start it: let many goroutines that
	// lock their threads come and go.
	tree := start(t, shell("echo up; exec sleep 300"))
	tree.line(t)
	churnThreads()
	select {
	case <-tree.Exited():
		t.Error("the root died with a thread that did not start it")
	case <-time.After(50 * time.Millisecond): // nothing is expected to happen
	}
}

// unique is a value that no other process on the machine has in its environment.
func unique(t *testing.T) string {
	return strings.ReplaceAll(t.Name(), "/", "-") + fmt.Sprintf("-%d-%d", os.Getpid(), time.Now().UnixNano())
}

func script(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// blocked is an input on which nothing ever comes.
func blocked(t *testing.T) io.Reader {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return read
}
