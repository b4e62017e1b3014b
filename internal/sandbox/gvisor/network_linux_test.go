package gvisor_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// holderVariable makes the test binary a process that holds namespaces until its standard input ends.
const holderVariable = "NEX_GVISOR_TEST_HOLDER"

// isolated is a network without anything but loopback, and counts what it is asked for.
type isolated struct {
	namespace string

	mu       sync.Mutex
	attached int
	egress   []nex.Egress
}

// newIsolated makes a network namespace that is gone when the test ends.
func newIsolated(t testing.TB) *isolated {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a sandbox a network")
	}
	holder := exec.Command("/proc/self/exe")
	holder.Env = []string{holderVariable + "=1"}
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := holder.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &isolated{namespace: fmt.Sprintf("/proc/%d/ns/net", holder.Process.Pid)}
}

func hold() int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func (n *isolated) Attach(_ context.Context, _ string, e nex.Egress) (sandboxnet.Endpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attached++
	n.egress = append(n.egress, e)
	return endpoint{n}, nil
}

func (n *isolated) Adopt(ctx context.Context, id string, e nex.Egress) (sandboxnet.Endpoint, error) {
	return n.Attach(ctx, id, e)
}

func (n *isolated) Nameserver() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

func (n *isolated) Sweep(context.Context) (int, error) { return 0, nil }

type endpoint struct{ n *isolated }

func (e endpoint) Namespace() string { return e.n.namespace }

func (e endpoint) SetEgress(_ context.Context, egress nex.Egress) error {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.n.egress = append(e.n.egress, egress)
	return nil
}

func (e endpoint) Close() error {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	e.n.attached--
	return nil
}
