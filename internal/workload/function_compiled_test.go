package workload_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// compiles plays a function that has something compiled to give.
func (r *rig) compiles(s workload.Spec) (told <-chan agentlink.Deploy) {
	deploys := make(chan agentlink.Deploy, 1)
	r.play(s.Name, linktest.Script{Deploy: func(_ *linktest.Agent, d agentlink.Deploy) agentlink.DeployReply {
		deploys <- d
		return agentlink.DeployReply{PID: 1, Compiled: true}
	}})
	return deploys
}

func TestCompiledIsKeptByDigest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.function("fn")
	told := r.compiles(s)
	r.start()
	r.deploy(s)
	if d := <-told; d.Function.Compiled != "" {
		t.Errorf("the agent is told of compiled code at %q, want none", d.Function.Compiled)
	}
	if err := r.fleet.Of(s.ID).SendCompiled([]byte("code")); err != nil {
		t.Fatal(err)
	}
	c := r.one(s)
	c.await(t, "what was compiled", func() bool { return len(c.kept) > 0 })
	if want := []string{s.Digest, "code"}; !slices.Equal(c.kept, want) {
		t.Errorf("kept was %q, want %q", c.kept, want)
	}
}

func TestCompiledIsStaged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.functions.Code = "/compiled/code"
	s := r.function("fn")
	told := r.compiles(s)
	r.start()
	r.deploy(s)
	staged := r.driver.Instance(r.fleet.Of(s.ID).ID).Staged(sandbox.ForCompiled)
	if d := <-told; d.Function.Compiled != "/compiled/code" || staged != d.Function.Compiled {
		t.Errorf("the agent is told of compiled code at %q, and staged is %q", d.Function.Compiled, staged)
	}
}

// A function does without compiled code that has gone.
func TestCompiledIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.functions.Code = "/compiled/code"
	r.driver.OnStage = func(_ context.Context, _ *fake.Instance, p sandbox.Purpose, _ string) error {
		if p == sandbox.ForCompiled {
			return errors.New("it is gone")
		}
		return nil
	}
	s := r.function("fn")
	told := r.compiles(s)
	r.start()
	r.deploy(s)
	if d := <-told; d.Function.Compiled != "" {
		t.Errorf("the agent is told of compiled code at %q, want none", d.Function.Compiled)
	}
}

// Other workloads neither get compiled code nor give any, whatever their agents say.
func TestCompiledIsForWebAssembly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.functions.Code = "/compiled/code"
	script, program := r.function("fn"), r.spec("prog")
	script.Type = nex.TypeV8
	r.compiles(script)
	r.compiles(program)
	r.start()
	for _, s := range []workload.Spec{script, program} {
		r.deploy(s)
		agent := r.fleet.Of(s.ID)
		if staged := r.driver.Instance(agent.ID).Staged(sandbox.ForCompiled); staged != "" {
			t.Errorf("%s has compiled code, %q", s.Name, staged)
		}
		if err := agent.SendCompiled([]byte("code")); err == nil {
			t.Errorf("what %s gives is taken", s.Name)
		}
	}
	if c := r.one(script); len(c.kept) > 0 {
		t.Errorf("kept was %q", c.kept)
	}
}
