package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/lines"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// obey carries out what whoever listens at the socket says, be it one node or the next.
func obey(path string, bootstrap []byte) {
	token := rand.Text()
	for {
		var later []plan.Step
		conn, err := net.DialTimeout("unix", path, dialTimeout)
		if err != nil {
			time.Sleep(time.Millisecond) // nobody is there; there is no event of it
			continue
		}
		serve(conn, plan.Hello{PID: os.Getpid(), Token: token}, bootstrap, &later)
		conn.Close()
		for _, step := range later {
			if err := carryOut(step, bootstrap); err != nil {
				say("error", err.Error())
			}
		}
	}
}

// serve returns when the connection is lost.
func serve(conn net.Conn, hello plan.Hello, bootstrap []byte, later *[]plan.Step) {
	out := json.NewEncoder(conn)
	if out.Encode(hello) != nil {
		return
	}
	for in := bufio.NewScanner(conn); in.Scan(); {
		var step plan.Step
		err := json.Unmarshal(in.Bytes(), &step)
		switch {
		case err != nil:
		case step.Do == plan.Later:
			var then plan.Step
			err = json.Unmarshal([]byte(step.Text), &then)
			*later = append(*later, then)
		default:
			err = carryOut(step, bootstrap)
		}
		answer := "done"
		if err != nil {
			answer = "failed: " + err.Error()
		}
		if _, err := fmt.Fprintln(conn, answer); err != nil {
			return
		}
	}
}

// flood prints more than anybody keeps who does not read it.
func flood(n int) {
	out := lines.NewPrinter(os.Stdout)
	line := []byte(strings.Repeat("y", 100) + "\n")
	for range n {
		_, _ = out.Write(line) // what nobody reads is lost
	}
}
