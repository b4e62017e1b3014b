package node_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// compiledOf are the files with what was compiled of a function, one for each namespace.
func (r *rig) compiledOf(d client.Deployment) []string {
	r.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "compiled", "*", d.Digest))
	if err != nil {
		r.Fatal(err)
	}
	return found
}

// awaitCompiled waits until so many namespaces have something compiled of a function.
func (r *rig) awaitCompiled(d client.Deployment, count int) []string {
	r.Helper()
	nextest.Await(r, "compiled code is kept", func() bool { return len(r.compiledOf(d)) >= count })
	found := r.compiledOf(d)
	if len(found) != count {
		r.Fatalf("there are the files %q, want %d", found, count)
	}
	return found
}

// given is what the agent of the only workload was given of compiled code, nil if nothing.
func (r *rig) given() []byte {
	r.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, "sandbox", "process", r.busyAgent().id, "compiled"))
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	return content
}

func (r *rig) read(path string) []byte {
	r.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	return content
}

// TestCompiledIsUsedAgain shows that what one agent has compiled is given to the next, also of the next
// node process, and that what is damaged is compiled again.
func TestCompiledIsUsedAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.function(nex.TypeWasm, "quiet", "quiet", wasmQuiet)
	id := r.deploy(d)
	if given := r.given(); given != nil {
		t.Errorf("the first agent is given %d bytes of compiled code, want none", len(given))
	}
	path := r.awaitCompiled(d, 1)[0]
	whole := r.read(path)
	r.undeploy(d, id)

	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		id = r.deploy(d)
		if given := r.given(); !bytes.Equal(given, whole) {
			t.Errorf("the agent is given %d bytes, want the %d that were compiled", len(given), len(whole))
		}
		r.gives("quiet", "hey", "")
		r.undeploy(d, id)
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("it was compiled again (%v)", err)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.run()
	}

	damaged := append([]byte("damage"), whole...)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	id = r.deploy(d)
	if given := r.given(); !bytes.Equal(given, damaged) {
		t.Errorf("the agent is given %d bytes, want the %d that are there", len(given), len(damaged))
	}
	r.gives("quiet", "hey", "")
	nextest.Await(t, "the damaged file is replaced", func() bool { return bytes.Equal(r.read(path), whole) })
	r.undeploy(d, id)
	r.unharmed()
}

// TestCompiledIsForItsNamespace shows that what an agent of one namespace has compiled is not given to
// another's, of the same artifact.
func TestCompiledIsForItsNamespace(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.function(nex.TypeWasm, "quiet", "quiet", wasmQuiet)
	id := r.deploy(d)
	first := r.awaitCompiled(d, 1)[0]
	r.undeploy(d, id)
	// Whoever could write it decided what others run.
	if err := os.WriteFile(first, []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := r.inNamespace("other")
	answer, err := other.Deploy(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if given := r.given(); given != nil {
		t.Errorf("the agent of another namespace is given %q", given)
	}
	r.awaitCompiled(d, 2)
	if _, err := other.Stop(t.Context(), r.stopping(d, answer.ID)); err != nil {
		t.Fatal(err)
	}
	r.unharmed()
}

// TestCompiledIsForItsArtifact shows that another artifact, be it of the same name, gets nothing.
func TestCompiledIsForItsArtifact(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.function(nex.TypeWasm, "fn", "fn", wasmQuiet)
	id := r.deploy(d)
	r.awaitCompiled(d, 1)
	r.undeploy(d, id)
	d = r.function(nex.TypeWasm, "fn", "fn", wasmExit)
	id = r.deploy(d)
	if given := r.given(); given != nil {
		t.Errorf("the agent of another artifact is given %d bytes", len(given))
	}
	r.fails("fn", "", 500, "3")
	r.awaitCompiled(d, 1)
	r.undeploy(d, id)
	r.unharmed()
}
