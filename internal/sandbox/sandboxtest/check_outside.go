package sandboxtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// The agent reaches the socket in the directory of its link, also one that has taken its place.
func checkLinkIsReached(r *rig) {
	dir := linkDir(r)
	inside := r.driver.Capabilities().LinkDir
	if inside == "" {
		inside = dir
	}
	answerAt(r, filepath.Join(dir, "later.sock"), func() string { return "late" })
	answerAt(r, filepath.Join(dir, socketName), func() string {
		if err := os.Rename(filepath.Join(dir, "later.sock"), filepath.Join(dir, socketName)); err != nil {
			return err.Error()
		}
		return "early"
	})
	call := plan.Text(plan.Call, inside+"/"+socketName)
	i := r.startLinked(dir, call, call, plan.Do(plan.Hang))
	for _, want := range []string{"early", "late"} {
		if got := i.say("answer"); got != want {
			r.Errorf("the link's answer = %q, want %q", got, want)
		}
	}
}

// linkDir is a directory as nodes make them for sockets. The path of a socket is short.
func linkDir(r *rig) string {
	r.Helper()
	dir, err := os.MkdirTemp("", "nex-link-")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		r.Fatal(err)
	}
	return dir
}

// answerAt answers each line at a unix socket until the test ends.
func answerAt(r *rig, path string, answer func() string) {
	r.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		r.Fatal(err)
	}
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if bufio.NewScanner(conn).Scan() {
				fmt.Fprintln(conn, answer())
			}
			conn.Close()
		}
	}()
}

// Without a network a sandbox has its loopback alone, which is not this machine's.
func checkNoNetwork(r *rig) {
	if r.driver.Capabilities().HostNetwork {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	defer l.Close()
	i := r.start(plan.Do(plan.Links), plan.Text(plan.Dial, l.Addr().String()), plan.Text(plan.Dial, "192.0.2.1:80"), plan.Do(plan.Hang))
	if got := i.say("links"); got != "" {
		r.Errorf("the sandbox has the interfaces %q besides loopback", got)
	}
	for _, what := range []string{"a port of this machine", "an address elsewhere"} {
		if got := i.say("dialed"); got == "<nil>" {
			r.Errorf("the sandbox reaches %s", what)
		}
	}
}

// What is not the sandbox's own it does not find, whatever the way.
func checkHostIsHidden(r *rig) {
	if r.suite.HostProcesses {
		return
	}
	secret := filepath.Join(r.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("host"), 0o644); err != nil {
		r.Fatal(err)
	}
	paths := []string{secret, strings.Repeat("../", 20) + secret, "/proc/1/root" + secret, "/proc/1/cwd/../../" + secret, "/proc/self/root" + secret}
	var steps []plan.Step
	for _, p := range paths {
		steps = append(steps, plan.Text(plan.Read, p))
	}
	i := r.start(append(steps, plan.Do(plan.Hang))...)
	i.say("hang")
	if got := i.log.values("read"); len(got) > 0 {
		r.Errorf("the sandbox reads %q from the host", got)
	}
	if got := i.log.values("unread"); len(got) != len(paths) {
		r.Errorf("%d files could not be read, want %d", len(got), len(paths))
	}
}
