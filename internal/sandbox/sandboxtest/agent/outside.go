package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// What the agent can reach of what is outside.

// dialTimeout is longer than anything that can be reached takes.
const dialTimeout = 5 * time.Second

func read(path string) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		buf := make([]byte, 100)
		var n int
		if n, err = f.Read(buf); err == nil {
			say("read", string(buf[:n]))
			return
		}
	}
	say("unread", err.Error())
}

func call(path string) {
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		say("unanswered", err.Error())
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(dialTimeout))
	fmt.Fprintln(conn, "hello")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		say("unanswered", err.Error())
		return
	}
	say("answer", strings.TrimSpace(line))
}

func dial(address string) {
	conn, err := net.DialTimeout("tcp", address, dialTimeout)
	if err == nil {
		conn.Close()
	}
	say("dialed", fmt.Sprint(err))
}

func links() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	say("links", strings.Join(names, " "))
	return nil
}
