//go:build linux && cgo && (amd64 || arm64)

package agent_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

// small is how much an agent may use in these tests, which with the race detector use 100 MiB for
// themselves.
const small = 256 << 20

// bounded lets a function reach the bound of the process rather than the runtime's own.
func bounded(d *agentlink.Deploy) { d.Function.MemoryBytes, d.Function.ProcessBytes = 2*small, small }

// outOfMemory is how a function ends that took too much.
var outOfMemory = nex.Exit{Code: -1, Signal: "SIGKILL", OOM: true}

// awaitOutOfMemory waits until the agent has ended for want of memory, and nothing of it is left.
func (n *node) awaitOutOfMemory(since time.Time) {
	n.t.Helper()
	n.await("exit", func() bool { return len(n.exits) > 0 || n.agentEnded() })
	if n.agentEnded() && len(n.exits) == 0 {
		n.t.Fatalf("the agent ended with %v and did not say why", n.cmd.ProcessState)
	}
	if exit := n.awaitExit(); exit != outOfMemory {
		n.t.Errorf("exit = %+v, want %+v", exit, outOfMemory)
	}
	if d := time.Since(since); d > patience/2 {
		n.t.Errorf("the agent ended after %v", d)
	}
	n.awaitLine("the function took more memory than it may have")
	if err := syscall.Kill(n.cmd.Process.Pid, 0); !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		n.t.Errorf("signal the agent's process: %v, want that there is none", err)
	}
	// A machine that is busy notices late, but the kernel allows no more than the slack beyond it.
	if rusage, ok := n.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		n.t.Logf("at its peak the agent had %d MiB", rusage.Maxrss>>10)
		if rusage.Maxrss<<10 > small+(768<<20) {
			n.t.Errorf("at its peak the agent had %d MiB, and may have %d", rusage.Maxrss>>10, small>>20)
		}
	}
}

// A function that escapes the bound of its runtime ends its agent.
func TestFunctionOutOfMemory(t *testing.T) {
	for name, script := range map[string]string{
		"arrays":              `() => { const a = []; for (;;) a.push(new Array(1000).fill(1)); }`,
		"outside of the heap": `() => { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)); }`,
		"a little at a time": `async () => {
  for (const a = [];; await new Promise(r => setTimeout(r, 1))) a.push(new Uint8Array(1 << 20).fill(1));
}`,
	} {
		t.Run(name, func(t *testing.T) {
			n := startFunction(t, script, bounded)
			start := time.Now()
			call := n.trigger(agentlink.Trigger{Timeout: patience})
			n.awaitOutOfMemory(start)
			n.mu.Lock()
			a, answered := n.answers[call.number]
			n.mu.Unlock()
			if answered && (a.Status != function.StatusFailed || !strings.Contains(a.Message, "memory")) {
				t.Errorf("answer = %+v, want none or one that speaks of memory", a)
			}
		})
	}
}

// Also while it has its grace to stop.
func TestFunctionOutOfMemoryWhileStopping(t *testing.T) {
	n := startFunction(t, `() => { hostServices.kv.get('key'); const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)); }`, bounded)
	n.call("running")
	r := n.awaitRequests(1)[0]
	n.call("waiting")
	n.awaitFull()
	start := time.Now()
	exit := n.goUndeploy(10 * patience)
	n.awaitRefusal()
	n.answerHost(r, hostapi.Response{}, nil)
	if e := <-exit; e != outOfMemory {
		t.Errorf("undeploy = %+v, want %+v", e, outOfMemory)
	}
	n.awaitOutOfMemory(start)
}

// What the runtime itself bounds is an error of the call, and the next one works.
func TestFunctionOwnMemoryBound(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `(subject, payload) => { const a = []; for (; payload[0] === 0x78;) a.push(new Array(1000).fill(1)); return 'well'; }`)
	for range 2 {
		n.call("x").want(function.StatusFailed, "MiB of memory")
		n.call("well").want(0, "well")
	}
	n.undeploy(patience)
	n.awaitExit()
}

// While calls run the node learns what the agent uses.
func TestFunctionUsage(t *testing.T) {
	t.Parallel()
	n := startFunction(t, `async () => {
  const kept = new Uint8Array(64 << 20).fill(1);
  await hostServices.promises.kv.get('key');
  return String(kept[5]);
}`)
	n.await("usage", func() bool { return len(n.usage) > 0 }) // of loading
	call := n.call("")
	r := n.awaitRequests(1)[0]
	n.await("usage with the call's memory", func() bool {
		last, first := n.usage[len(n.usage)-1].MemoryBytes, n.usage[0].MemoryBytes
		return first > 0 && last > 64<<20 && last < 1<<30
	})
	n.answerHost(r, hostapi.Response{}, nil)
	call.want(0, "1")
}
