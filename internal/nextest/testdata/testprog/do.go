package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// do says as whom and where it runs, and what its other names are, and takes steps:
//
//	env=NAME     print NAME=value of an environment variable
//	read=PATH    print the first line of a file, or why it cannot be read
//	write=PATH   write to a file, and print whether it could
//	exit=STATUS  end
//
// Then it waits for a signal, prints its name, and ends with status 0.
func do(steps []string) error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	fmt.Printf("user %d:%d groups %v in %s, called %s\n", os.Getuid(), os.Getgid(), groups, dir, os.Args[0])
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	for _, step := range steps {
		if err := take(step); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	fmt.Println("got", <-signals)
	return nil
}

func take(step string) error {
	name, what, _ := strings.Cut(step, "=")
	switch name {
	case "env":
		fmt.Printf("%s=%s\n", what, os.Getenv(what))
	case "read":
		b, err := os.ReadFile(what)
		line, _, _ := strings.Cut(string(b), "\n")
		if err != nil {
			line = err.Error()
		}
		fmt.Printf("%s: %s\n", what, line)
	case "write":
		err := os.WriteFile(what, []byte("written before"), 0o600)
		fmt.Printf("wrote %s: %v\n", what, err)
	case "exit":
		status, err := strconv.Atoi(what)
		if err != nil {
			return err
		}
		os.Exit(status)
	default:
		return fmt.Errorf("no step %q", step)
	}
	return nil
}
