package gvisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// refusing is a network whose policies cannot be changed: it does something else then.
type refusing struct {
	*isolated
	instead func()
}

func (n *refusing) Attach(ctx context.Context, id string, e nex.Egress) (sandboxnet.Endpoint, error) {
	ep, err := n.isolated.Attach(ctx, id, e)
	return refused{ep, n}, err
}

type refused struct {
	sandboxnet.Endpoint
	n *refusing
}

func (e refused) SetEgress(context.Context, nex.Egress) error {
	e.n.instead()
	return errors.New("refused")
}

// processes are those that the driver has noted of a sandbox: runsc and the kernel.
func (n *node) processes(dir, id string) []proctree.Identity {
	n.Helper()
	var record struct {
		Process proctree.Identity   `json:"process"`
		Others  []proctree.Identity `json:"others"`
	}
	b, err := os.ReadFile(filepath.Join(dir, id, "instance.json"))
	if err == nil {
		err = json.Unmarshal(b, &record)
	}
	if err != nil || len(record.Others) != 1 {
		n.Fatalf("the record of the sandbox is %+v, %v", record, err)
	}
	return append([]proctree.Identity{record.Process}, record.Others...)
}

// A kernel that hangs while a change is taken back keeps nobody for ever, and can be ended.
func TestConfigureOfHungKernel(t *testing.T) {
	t.Parallel()
	network := &refusing{isolated: newIsolated(t)}
	dir := filepath.Join(t.TempDir(), "state")
	n := newNode(t, gvisor.Config{Network: network, Dir: dir})
	a := n.start(sandbox.Spec{Network: true, Settings: sandbox.Settings{Limits: sandbox.Limits{PIDs: 200}}})
	kernel := n.processes(dir, a.ID())[1]
	network.instead = func() {
		if err := unix.Kill(kernel.PID, unix.SIGSTOP); err != nil {
			t.Error(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- a.Configure(context.Background(), sandbox.Settings{
			Egress: nex.Egress{Deny: []string{"*"}}, Limits: sandbox.Limits{PIDs: 100},
		})
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("Configure = %v, want that it was refused", err)
		}
	case <-time.After(patience):
		t.Error("Configure goes on")
	}
	a.destroy()
}

// When the machine has no memory left the kernel of the machine kills a sandbox, and not the node.
func TestSandboxGoesBeforeTheNode(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	n := newNode(t, gvisor.Config{Dir: dir})
	a := n.start(sandbox.Spec{})
	known := n.processes(dir, a.ID())
	pids := []int{known[0].PID}
	for next := 0; next < len(pids); next++ {
		pids = append(pids, childrenOf(t, pids[next])...)
	}
	if len(pids) < 3 || !slices.Contains(pids, known[1].PID) {
		t.Errorf("the processes of the sandbox are %v, want runsc, the kernel %d, the gofer, and what they start", pids, known[1].PID)
	}
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if got, want := string(bytes.TrimSpace(b)), strconv.Itoa(cgroup.OOMScoreAdj()); got != want {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			t.Errorf("process %d (%s): oom_score_adj = %q, %v, want %s", pid, bytes.TrimSpace(name), got, err, want)
		}
	}
}

func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if err != nil || len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
