// Command agent stands in for nex-agent in a VM: it connects to the node, and does what it is told there, line by
// line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// document is its bootstrap document.
type document struct {
	LinkDir string `json:"link_dir"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "eat" {
		eat()
	}
	fmt.Println("agent: begins")
	var d document
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil {
		fmt.Println("agent: no document:", err)
		os.Exit(9)
	}
	fmt.Println("agent: has its document")
	for {
		conn, err := net.Dial("unix", d.LinkDir+"/link.sock")
		if err != nil {
			fmt.Println("agent:", err)
			os.Exit(8)
		}
		serve(conn)
		time.Sleep(20 * time.Millisecond) // the node is away
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprintln(conn, "hello")
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		answer := do(strings.Fields(line))
		if err := json.NewEncoder(conn).Encode(answer); err != nil {
			return
		}
	}
}

func do(words []string) string {
	switch words[0] {
	case "read":
		b, err := os.ReadFile(words[1])
		return said(string(b), err)
	case "size":
		i, err := os.Stat(words[1])
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d %s", i.Size(), i.Mode())
	case "write":
		return said("written", os.WriteFile(words[1], []byte(words[2]), 0o644))
	case "fill":
		f, err := os.Create(words[1])
		if err != nil {
			return err.Error()
		}
		defer f.Close()
		n, err := io.Copy(f, zeros{})
		return fmt.Sprint(n, " ", err)
	case "remove":
		return said("removed", os.Remove(words[1]))
	case "run":
		b, err := exec.Command(words[1], words[2:]...).CombinedOutput()
		return said(string(b), err)
	case "orphan":
		return said("", exec.Command("/usr/lib/nex/nex-agent", "eat").Start())
	case "print": // how many lines, from this number
		first, _ := strconv.Atoi(words[1])
		count, _ := strconv.Atoi(words[2])
		for n := first; n < first+count; n++ {
			fmt.Println("line", n, strings.Repeat("x", 90))
		}
		return "printed"
	case "ids":
		host, _ := os.Hostname()
		return fmt.Sprintf("uid %d gid %d dir %s host %s env %s", os.Getuid(), os.Getgid(), wd(), host, os.Environ())
	case "time":
		return strconv.FormatInt(time.Now().UnixNano(), 10)
	case "dial":
		c, err := net.DialTimeout("tcp", words[1], 5*time.Second)
		if err != nil {
			return err.Error()
		}
		c.Close()
		return "connected"
	case "open":
		var l syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
		return said(fmt.Sprint(l.Cur, " ", l.Max), err)
	case "addresses":
		a, err := net.InterfaceAddrs()
		return said(fmt.Sprint(a), err)
	case "eat":
		eat()
	case "exit":
		code, _ := strconv.Atoi(words[1])
		os.Exit(code)
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {}
	}
	return "unknown " + words[0]
}

func said(s string, err error) string {
	if err != nil {
		return s + err.Error()
	}
	return s
}

func wd() string {
	d, _ := os.Getwd()
	return d
}

// eat takes memory without end.
func eat() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
