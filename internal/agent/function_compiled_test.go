//go:build linux

package agent_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

// quietModule is a WASI command that does nothing.
var quietModule = []byte("\x00asm\x01\x00\x00\x00" + // a function type, a function of it, a memory
	"\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" +
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" + "\x0a\x04\x01\x02\x00\x0b")

// awaitCompiled waits until the agent has given what it has compiled.
func (n *node) awaitCompiled() []byte {
	n.t.Helper()
	n.await("compiled code", func() bool { return len(n.compiled) > 0 || n.agentEnded() })
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.compiled) != 1 {
		n.t.Fatalf("the agent gives compiled code %d times, want once", len(n.compiled))
	}
	return n.compiled[0]
}

func TestCompiledIsGiven(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	d := n.function(nex.TypeWasm, quietModule)
	if r := n.deploy(d); r.Error != "" || !r.Compiled {
		t.Fatalf("deploy = %+v, want that it was compiled", r)
	}
	n.trigger(agentlink.Trigger{Timeout: patience}).want(0, "")
	compiled := n.awaitCompiled()
	n.undeploy(patience)
	n.awaitExit()

	n = startAgent(t)
	d = n.function(nex.TypeWasm, quietModule)
	d.Function.Compiled = filepath.Join(n.dir, "compiled")
	if err := os.WriteFile(d.Function.Compiled, compiled, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := n.deploy(d); r.Error != "" || r.Compiled {
		t.Errorf("deploy = %+v, want that it was not compiled again", r)
	}
	n.trigger(agentlink.Trigger{Timeout: patience}).want(0, "")
	n.undeploy(patience)
	n.awaitExit()
	if len(n.compiled) > 0 {
		t.Error("the agent gives compiled code although it had some")
	}

	n = startAgent(t)
	d = n.function(nex.TypeWasm, quietModule)
	d.Function.Compiled = filepath.Join(n.dir, "compiled")
	if err := os.WriteFile(d.Function.Compiled, compiled[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if r := n.deploy(d); r.Error != "" || !r.Compiled {
		t.Errorf("deploy = %+v, want that it was compiled again", r)
	}
	if again := n.awaitCompiled(); !bytes.Equal(again, compiled) {
		t.Errorf("the agent gives %d bytes of compiled code, want the %d of before", len(again), len(compiled))
	}
}

// The function answers, and ends, whether or not the node takes what was compiled.
func TestCompiledIsNotTaken(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.holdCompiled = make(chan struct{})
	defer close(n.holdCompiled)
	n.load(n.function(nex.TypeWasm, quietModule))
	n.trigger(agentlink.Trigger{Timeout: patience}).want(0, "")
	began := time.Now()
	n.undeploy(patience)
	n.awaitExit()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the agent ended after %s, want that it waits for nobody", took)
	}
}
