// Command testprog is the workload of tests: a program that behaves as its first argument says, well
// or badly. It uses the standard library only, so that it is small and its start takes no time.
//
//	wait                  run until SIGTERM, then end with status 0
//	exit STATUS           write a line to standard error and end with the status
//	abort                 end by SIGKILL, of its own doing
//	stubborn              run on, whatever signal comes
//	daemons               start processes that have left session and process group, ignore signals,
//	                      and have init for a parent; then wait
//	strays                the same, but the processes have lost their environment as well
//	flood BYTES           write so much to standard output, in lines, and end with status 0
//	tick INTERVAL         write a line with a number at each interval, until SIGTERM
//	print NAME…           write NAME=value of environment variables to standard output, then wait
//	do STEP…              say as whom it runs, take steps (see do.go), and wait for a signal, which it names
//
// It says "ready" when it does what it was told to. Further arguments are of no consequence: tests
// find processes by them. Without arguments it waits.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	mode, args := "wait", os.Args[1:]
	if len(args) > 0 {
		mode, args = args[0], args[1:]
	}
	if err := run(mode, args); err != nil {
		fmt.Fprintln(os.Stderr, "testprog:", err)
		os.Exit(2)
	}
}

func run(mode string, args []string) error {
	switch mode {
	case "wait":
		wait()
		return nil
	case "exit":
		return exit(args[0])
	case "abort":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "stubborn":
		stubborn()
		return nil
	case "daemons":
		return daemons(os.Environ(), args)
	case "strays":
		return daemons([]string{"LOST=1"}, args)
	case "daemon":
		return daemon(args)
	case "flood":
		return flood(args[0])
	case "tick":
		return tick(args[0])
	case "do":
		return do(args)
	case "print":
		for _, name := range args {
			fmt.Printf("%s=%s\n", name, os.Getenv(name))
		}
		wait()
		return nil
	}
	return fmt.Errorf("no mode %q", mode)
}

func wait() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, os.Interrupt)
	fmt.Println("ready")
	<-term
}

func exit(status string) error {
	n, err := strconv.Atoi(status)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ending with status %d\n", n)
	os.Exit(n)
	return nil
}

func stubborn() {
	ignoreAll()
	fmt.Println("ready")
	select {}
}

func ignoreAll() {
	signal.Ignore(syscall.SIGTERM, os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() { // else the runtime would find that nothing can ever happen
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGWINCH)
		for range c {
		}
	}()
}

// daemons starts children that start a daemon each and end, as daemons come into being.
func daemons(env, args []string) error {
	for range 2 {
		if err := spawn(env, append([]string{"daemon", "0"}, args...)).Run(); err != nil {
			return err
		}
	}
	wait()
	return nil
}

// daemon with generation 0 starts one with generation 1, which stays.
func daemon(args []string) error {
	if args[0] == "0" {
		return spawn(os.Environ(), append([]string{"daemon", "1"}, args[1:]...)).Start()
	}
	ignoreAll()
	select {}
}

func spawn(env, args []string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func flood(size string) error {
	left, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	line := make([]byte, 128)
	for i := range line {
		line[i] = 'x'
	}
	line[len(line)-1] = '\n'
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	for ; left > 0; left -= int64(len(line)) {
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}
