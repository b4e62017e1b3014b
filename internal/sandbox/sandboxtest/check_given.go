package sandboxtest

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

func checkBootstrapIsDelivered(r *rig) {
	// About as long as an agent takes.
	p := plan.Plan{Secret: strings.Repeat("s", 60_000), Steps: []plan.Step{plan.Do(plan.Look), plan.Number(plan.Exit, 5)}}
	i := r.startPlan(newID(), p)
	if got := i.end(); got.Code != 5 {
		r.Errorf("exit = %+v, want status 5", got)
	}

	p = plan.Plan{Secret: "short", Steps: []plan.Step{plan.Do(plan.Echo)}}
	if got, want := r.startPlan(newID(), p).say("bootstrap"), string(p.Encode()); got != want {
		r.Errorf("bootstrap = %q, want %q", got, want)
	}
}

// What the node has must not be seen inside: its environment, its open files, and, in places where a
// workload can look, the bootstrap document.
func checkEnvironmentIsClean(r *rig) {
	secret := secretOf("node")
	r.Setenv("NEX_SUITE_SECRET", secret)
	r.Setenv("LD_PRELOAD_OF_NODE", secret)
	open, err := os.Open(os.Args[0])
	if err != nil {
		r.Fatal(err)
	}
	defer open.Close()
	inherit(r, open)

	p := plan.Plan{Secret: secretOf("bootstrap"), Steps: []plan.Step{plan.Do(plan.Look), plan.Do(plan.Hang)}}
	i := r.startPlan(newID(), p)
	i.say("hang")
	for _, l := range i.log.all() {
		for _, s := range []string{secret, p.Secret} {
			if strings.Contains(l, s) {
				r.Errorf("the agent sees a secret: %.100s", l)
			}
		}
	}
	for _, name := range []string{"PATH=", "HOME="} {
		if !hasPrefix(i.log.values("env"), name) {
			r.Errorf("the agent has no %s in its environment", strings.TrimSuffix(name, "="))
		}
	}
	if files := i.log.values("file"); len(files) > 0 && r.suite.HostProcesses {
		r.Errorf("the agent has open files: %q", files)
	}
	r.noFileHolds(p.Secret)
}

// noFileHolds checks that no file below the driver's directory holds the text.
func (r *rig) noFileHolds(text string) {
	r.Helper()
	err := filepath.WalkDir(r.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), text) {
			r.Errorf("%s holds the bootstrap document", path)
		}
		return err
	})
	if err != nil {
		r.Error(err)
	}
}

func hasPrefix(list []string, prefix string) bool {
	for _, v := range list {
		if strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}

// A file of one instance is none of another's, and does not go when that other ends.
func checkInstancesAreSeparate(r *rig) {
	a := r.start(plan.Text(plan.Write, "mine"), plan.Do(plan.Hang))
	if got := a.say("write"); got != "<nil>" {
		r.Errorf("write a file = %s", got)
	}
	path := r.stagedPath()
	id := newID()
	b := r.startPlan(id, plan.Plan{Steps: []plan.Step{
		plan.Text(plan.Read, "mine"), plan.Text(plan.Write, "mine"), plan.Text(plan.Await, path(id)), plan.Text(plan.Read, "mine"), plan.Do(plan.Hang),
	}})
	b.say("unread")
	b.say("write")
	a.destroy()
	if _, err := b.Stage(r.ctx(), sandbox.ForArtifact, r.agent); err != nil {
		r.Fatalf("Stage: %v", err)
	}
	if got, want := b.say("read"), "changed"; got != want {
		r.Errorf("the file of the instance that is left = %q, want %q", got, want)
	}
}
