// Command agent is the agent of the conformance suite of sandbox drivers. It reads a plan from its
// standard input, as nex-agent reads its bootstrap document, and carries it out: see package plan.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// lifetime ends every process of a test that went wrong.
const lifetime = 2 * time.Minute

func main() {
	time.AfterFunc(lifetime, func() { os.Exit(99) })
	if len(os.Args) > 1 {
		os.Exit(relative(os.Args[1], os.Args[2:]))
	}
	if err := run(os.Stdin); err != nil {
		say("error", err.Error())
		os.Exit(98)
	}
}

// say prints a line of two words, the second quoted.
func say(kind, value string) { fmt.Printf("%s %q\n", kind, value) }

func run(in io.Reader) error {
	// A node that is killed closes our output; the real agent outlives that.
	signal.Ignore(syscall.SIGPIPE)
	if err := proctree.SetSubreaper(); err != nil {
		return err
	}
	bootstrap, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return err
	}
	var p plan.Plan
	if err := json.Unmarshal(bootstrap, &p); err != nil {
		return fmt.Errorf("bootstrap is malformed: %w", err)
	}
	for _, step := range p.Steps {
		if err := carryOut(step, bootstrap); err != nil {
			return fmt.Errorf("%s: %w", step.Do, err)
		}
	}
	return nil
}

func carryOut(s plan.Step, bootstrap []byte) error {
	switch s.Do {
	case plan.Echo:
		say("bootstrap", string(bootstrap))
	case plan.Look:
		return look()
	case plan.Print:
		fmt.Print(strings.Repeat("x", s.Number), "\n")
	case plan.Mumble:
		fmt.Print("no end")
	case plan.Complain:
		fmt.Fprintln(os.Stderr, "on standard error")
	case plan.Deaf:
		signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		say("deaf", "")
	case plan.Leave:
		return leave(s.Text)
	case plan.Clutter:
		return clutter()
	case plan.Exit:
		os.Exit(s.Number)
	case plan.Die:
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := p.Kill(); err != nil {
			return err
		}
		select {}
	case plan.Run:
		return runWhenThere(s.Text)
	case plan.Write:
		err := os.WriteFile(s.Text, []byte("changed"), 0o500)
		say("write", fmt.Sprint(err))
	case plan.Read:
		read(s.Text)
	case plan.Call:
		call(s.Text)
	case plan.Dial:
		dial(s.Text)
	case plan.Links:
		return links()
	case plan.Hoard:
		hoard(s.Number)
	case plan.Breed:
		breed(s.Number)
	case plan.Fill:
		fill(s.Number)
	case plan.Eat:
		eat(s.Number)
	case plan.Await:
		awaitFile(s.Text)
	case plan.Say:
		say("said", s.Text)
	case plan.Flood:
		flood(s.Number)
	case plan.Obey:
		obey(s.Text, bootstrap)
	case plan.Hang:
		say("pid", fmt.Sprint(os.Getpid()))
		say("hang", "")
		select {}
	default:
		return fmt.Errorf("unknown step")
	}
	return nil
}

// look prints all that the agent was given.
func look() error {
	for _, v := range os.Environ() {
		say("env", v)
	}
	for _, v := range os.Args {
		say("arg", v)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	say("dir", dir)
	for _, v := range openFiles() {
		say("file", v)
	}
	say("looked", "")
	return nil
}

// clutter leaves files that are not easily removed.
func clutter() error {
	if err := os.MkdirAll("deep/er", 0o700); err != nil {
		return err
	}
	if err := os.WriteFile("deep/er/file", []byte("x"), 0o400); err != nil {
		return err
	}
	return os.Chmod("deep", 0)
}

// runWhenThere runs the staged program, as soon as it is there, with an argument that makes it say
// hello.
func runWhenThere(path string) error {
	awaitFile(path)
	out, err := exec.Command(path, "hello").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	say("ran", string(out))
	return nil
}

func awaitFile(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond) // the link that would tell us is not part of the suite
	}
}

// leave returns when the daemon has said who it is.
func leave(how string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	err = spawn(write, "parent", how)
	write.Close()
	if err != nil {
		return err
	}
	_, err = io.ReadFull(read, make([]byte, 1))
	return err
}

// spawn starts this program again in one of the parts that relative plays. What it has as standard
// input is for writing: by this the daemon tells that it is there.
func spawn(ready *os.File, part, how string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, part, how)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ready, os.Stdout, os.Stderr
	detach(cmd)
	if how == plan.Bare {
		cmd.Env = []string{}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if part == "parent" {
		return cmd.Wait()
	}
	return nil
}

// relative plays a process that the agent started: the parent starts a daemon and ends, so that the
// daemon loses its parent; the daemon is deaf and stays.
func relative(part string, args []string) int {
	switch part {
	case "hello":
		fmt.Print("hello")
	case "child":
		select {}
	case "parent":
		if err := spawn(os.Stdin, "daemon", args[0]); err != nil {
			say("error", err.Error())
			return 1
		}
	case "daemon":
		signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
		say("daemon", fmt.Sprint(os.Getpid()))
		if _, err := os.Stdin.Write([]byte{'!'}); err != nil {
			say("error", err.Error())
		}
		os.Stdin.Close()
		select {}
	}
	return 0
}
