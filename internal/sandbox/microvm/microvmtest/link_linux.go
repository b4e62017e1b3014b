package microvmtest

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// Obey has an agent do what its link says.
var Obey = plan.Text(plan.Obey, microvm.LinkDir+"/"+agentlink.SocketName)

// Listen makes the socket of a link.
func Listen(t *testing.T) (dir string, l *net.UnixListener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nex-link-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, agentlink.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return dir, l
}

// Linked is an agent that does what its link says.
type Linked struct {
	plan.Hello
	conn net.Conn
	in   *bufio.Reader
	said chan string
}

// Accept takes the connection of an agent, whose lines come by the channel.
func Accept(t *testing.T, l *net.UnixListener, said chan string) *Linked {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(Patience))
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatalf("the agent does not come: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(Patience))
	a := &Linked{conn: conn, in: bufio.NewReader(conn), said: said}
	line, err := a.in.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &a.Hello)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Do has the agent carry out a step, and returns the line that it prints then.
func (a *Linked) Do(t *testing.T, s plan.Step) string {
	t.Helper()
	if err := json.NewEncoder(a.conn).Encode(s); err != nil {
		t.Fatal(err)
	}
	if line, err := a.in.ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("the agent answers %q, %v", line, err)
	}
	return await(t, a.said)
}

// Read is the beginning of a file inside.
func (a *Linked) Read(t *testing.T, path string) string {
	t.Helper()
	line := a.Do(t, plan.Text(plan.Read, path))
	quoted, ok := strings.CutPrefix(line, "read ")
	text, err := strconv.Unquote(quoted)
	if !ok || err != nil {
		t.Fatalf("the agent cannot read %s: %s", path, line)
	}
	return strings.TrimSpace(text)
}

// dial has the agent connect to an address.
func (a *Linked) dial(t *testing.T, address, want string) {
	t.Helper()
	if got := a.Do(t, plan.Text(plan.Dial, address)); got != "dialed "+strconv.Quote(want) {
		t.Errorf("dial %s: %s, want %q", address, got, want)
	}
}

// await is the next line.
func await(t *testing.T, said chan string) string {
	t.Helper()
	select {
	case line := <-said:
		return line
	case <-time.After(Patience):
		t.Fatal("the agent says nothing")
		return ""
	}
}
