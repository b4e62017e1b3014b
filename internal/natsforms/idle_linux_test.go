package natsforms_test

// This file is about thousands of clients of one server. What they cost is measured in internal/bench.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// idleConnections is how many there are.
const idleConnections = 10_000

// TestIdleConnections calls a function while thousands of clients are connected and idle. nex up is started with
// the number of open files that shells allow, and makes of it what it may.
func TestIdleConnections(t *testing.T) {
	f := newForm(t)
	programs, err := plain() // with the race detector a program may not have so many goroutines
	must(t, err)
	const spare = 1000 // files of whatever else the processes do
	connections := idleConnections
	allowed, err := nextest.OpenFiles(idleConnections + spare)
	must(t, err)
	if allowed < idleConnections+spare {
		connections = int(allowed) - spare
		t.Logf("this machine allows %d open files, so there are %d connections", allowed, connections)
	}
	tt := f.terminal()
	tt.set("NATS_URL", "nats://127.0.0.1:4222")
	up := tt.background(tt.command("sh", "-c", "ulimit -Sn 1024 && exec "+filepath.Join(programs, "nex")+" up --json --no-sandbox"))
	must(t, up.AwaitReady())
	tt.deploysFunction(up, "app.function")
	tt.answers("app.function", "hello from app.function")
	before := residentKiB(t, up.PID())
	idle := tt.background(tt.command(filepath.Join(programs, "idle"), "-connections", strconv.Itoa(connections)))
	must(t, idle.AwaitReady())
	t.Logf("%d connections take %d KiB each", connections, (residentKiB(t, up.PID())-before)/connections)
	nc := tt.connect()
	for range 100 {
		m, err := nc.Request("app.function", nil, nextest.Patience)
		must(t, err)
		if string(m.Data) != "hello from app.function" {
			t.Fatalf("the function answers %q", m.Data)
		}
	}
	tt.talks("talk")
	must(t, idle.Stop()) // the server has kept them all
}

// residentKiB is the resident memory of a process.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	size, err := strconv.Atoi(strings.Fields(rest)[0])
	must(t, err)
	return size
}
