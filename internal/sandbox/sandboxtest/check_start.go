package sandboxtest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// A driver whose agent program cannot be run any more does not start, says which program it is, and
// leaves nothing: the same id can be started once the program is there again.
func checkStartUndoesOnFail(r *rig) {
	for name, damage := range map[string]func(agent string) error{
		"missing": os.Remove,
		"damaged": func(agent string) error { return os.WriteFile(agent, []byte("\x00no program"), 0o755) },
	} {
		agent := filepath.Join(r.TempDir(), exe("agent"))
		copyFile(r, r.agent, agent)
		d := r.newDriver(agent)
		if err := damage(agent); err != nil {
			r.Fatal(err)
		}
		id := newID()
		i, err := d.Start(r.ctx(), sandbox.Spec{ID: id, Bootstrap: plan.Plan{}.Encode()})
		switch {
		case err == nil: // the driver has a copy of the program
			if err := i.Destroy(r.ctx()); err != nil {
				r.Errorf("%s: Destroy: %v", name, err)
			}
		case !strings.Contains(err.Error(), agent):
			r.Errorf("%s: Start = %q, want the path of the program in it", name, err)
		}
		r.wantEmpty()
		r.startPlan(id, plan.Plan{}).destroy()
	}
}

func checkStartCancelled(r *rig) {
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	_, err := r.driver.Start(ctx, sandbox.Spec{ID: newID(), Bootstrap: plan.Plan{}.Encode()})
	if !errors.Is(err, context.Canceled) {
		r.Errorf("Start = %v, want %v", err, context.Canceled)
	}
	r.wantEmpty()
}

func checkStartChecksID(r *rig) {
	for _, id := range []string{"", "..", "a/b", "../x", "a b", ".", strings.Repeat("a", 33)} {
		i, err := r.driver.Start(r.ctx(), sandbox.Spec{ID: id, Bootstrap: plan.Plan{}.Encode()})
		if err == nil {
			r.Errorf("Start with id %q succeeds", id)
			_ = i.Destroy(r.ctx())
		}
	}
	r.wantEmpty()

	first := r.start(plan.Do(plan.Hang))
	if i, err := r.driver.Start(r.ctx(), sandbox.Spec{ID: first.ID(), Bootstrap: plan.Plan{}.Encode()}); err == nil {
		r.Error("Start with the id of another instance succeeds")
		_ = i.Destroy(r.ctx())
	}
	first.say("hang") // and is still there
}

// The context of Start bounds starting, not the sandbox's life.
func checkStartContextEnds(r *rig) {
	ctx, cancel := context.WithCancel(r.ctx())
	log := newRecorder()
	i, err := r.driver.Start(ctx, sandbox.Spec{ID: newID(), Bootstrap: plan.Plan{Steps: []plan.Step{plan.Do(plan.Hang)}}.Encode(), Log: log.add})
	cancel()
	if err != nil {
		r.Fatalf("Start: %v", err)
	}
	run := running{i, r, log}
	defer run.destroy()
	run.say("hang")
}

func copyFile(r *rig, from, to string) {
	r.Helper()
	src, err := os.Open(from)
	if err != nil {
		r.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		r.Fatal(err)
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		r.Fatal(err)
	}
}
