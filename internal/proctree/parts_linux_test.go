package proctree_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/proctree"
)

func play(part string, args []string) int {
	var err error
	switch part {
	case "owner":
		err = playOwner(args[0])
	case "agent":
		err = playAgent(args[0])
	case "reaper":
		err = playReaper()
	case "files":
		err = playFiles()
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// playOwner starts a tree, says who it is and waits to be killed.
func playOwner(mode string) error {
	var opts []proctree.Option
	if mode == "outlive" {
		opts = append(opts, proctree.Outlive())
	}
	tree, err := proctree.Start(plain("sleep", "300"), opts...)
	if err != nil {
		return err
	}
	fmt.Println(tree.PID())
	return tree.Wait()
}

// playAgent is what nex-agent does: it becomes a subreaper, starts a script that prints a line for
// each process it leaves behind and one "done", and then kills all of it.
func playAgent(script string) error {
	if err := proctree.SetSubreaper(); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := plain("/bin/sh", "-c", script)
	cmd.Stdout = write
	tree, err := proctree.Start(cmd)
	if err != nil {
		return err
	}
	write.Close()
	for s := bufio.NewScanner(read); s.Scan() && s.Text() != "done"; {
		fmt.Println(s.Text())
	}
	fmt.Println("kill")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test has looked at the processes
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	began := time.Now()
	if err := tree.Kill(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "killed after", time.Since(began))
	_ = tree.Wait()
	if err := noChildren(); err != nil {
		return err
	}
	fmt.Println("nothing left")
	return nil
}

// playReaper runs commands while orphans of a tree are reaped, and checks their exit statuses.
func playReaper() error {
	if err := proctree.SetSubreaper(); err != nil {
		return err
	}
	// Fifty orphans, each of which ends at once, in sessions of their own.
	cmd := plain("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sh -c 'exit 0' & setsid sh -c 'exit 0' & true) ; done; read wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	tree, err := proctree.Start(cmd)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	wrong := make(chan error, 40)
	for range 40 {
		group.Go(func() {
			var exit *exec.ExitError
			if err := exec.Command("/bin/sh", "-c", "exit 3").Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
				wrong <- fmt.Errorf("command: %v, want exit status 3", err)
			}
		})
	}
	group.Wait()
	for end := time.Now().Add(30 * time.Second); onlyChild(tree.PID()) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return onlyChild(tree.PID())
		}
	}
	in.Close()
	_ = tree.Wait()
	select {
	case err := <-wrong:
		return err
	default:
		fmt.Println("statuses right")
		return nil
	}
}

func noChildren() error {
	pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	if !errors.Is(err, unix.ECHILD) {
		return fmt.Errorf("a child is left: wait4 = %d, %v", pid, err)
	}
	return nil
}

// onlyChild returns an error as long as there is a zombie besides the running child.
func onlyChild(pid int) error {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		return err
	}
	if info.Signo != 0 {
		return fmt.Errorf("a child besides %d was not reaped", pid)
	}
	return nil
}

// playFiles leaks an open file as a careless parent would, and starts a program that lists its own.
func playFiles() error {
	if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil { // not close-on-exec
		return err
	}
	cmd := plain("/bin/sh", "-c", "for f in /proc/$$/fd/*; do echo ${f##*/}; done")
	cmd.Stdout = os.Stdout
	tree, err := proctree.Start(cmd)
	if err != nil {
		return err
	}
	return tree.Wait()
}

// plain is a command that plays no part.
func plain(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	return cmd
}
