// Command intruderfunction is the WebAssembly function of the escape tests: it tries to get at what is
// around it. The paths to read and the addresses to connect to are in its input, a line each; addresses
// begin with "tcp/". It writes a line for each attempt, "refused: …" or "ESCAPED: …", and at last "done: "
// and their number. As a program of the machine it can do all of it.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// child is the argument of the program that is started, which does nothing: else it would start another.
const child = "child"

var attempts int

func attempt(name string, err error) {
	attempts++
	if err == nil {
		fmt.Println("ESCAPED:", name)
		return
	}
	fmt.Printf("refused: %s: %v\n", name, err)
}

func first[T any](_ T, err error) error { return err }

func main() {
	if len(os.Args) == 2 && os.Args[1] == child {
		return
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "tcp/"); ok {
			attempt("connect to "+addr, first(net.Dial("tcp", addr)))
			continue
		}
		get(lines.Text())
	}
	for _, dir := range []string{"/", ".", "..", "/proc", "/proc/self/fd"} {
		attempt("list "+dir, first(os.ReadDir(dir)))
	}
	attempt("start a program", exec.Command("/proc/self/exe", child).Run())
	preopened()
	for _, variable := range os.Environ() {
		fmt.Println("note: variable", variable)
	}
	fmt.Println("done:", attempts)
}

// get reads and changes a file.
func get(path string) {
	for _, way := range []string{path, strings.Repeat("../", 16) + path[1:], "./" + path, "/proc/self/root" + path} {
		attempt("read "+way, first(os.ReadFile(way)))
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	attempt("write "+path, err)
	beside := filepath.Join(filepath.Dir(path), "intruder")
	attempt("make "+beside, os.WriteFile(beside, nil, 0o600))
	attempt("link "+beside, os.Symlink(path, beside+"-link"))
	attempt("remove "+beside, os.Remove(beside))
}
