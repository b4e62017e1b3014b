package control_test

import (
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

// What a request says about restarts is the policy that holds in the end, whatever way it says it.
func TestRestartOfDeployment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, edit := range []func(*nex.DeployRequest){
		func(*nex.DeployRequest) {},
		func(d *nex.DeployRequest) { d.Essential = true },
		func(d *nex.DeployRequest) { d.Restart = nex.RestartOnFailure },
		func(d *nex.DeployRequest) { d.Essential, d.Restart = true, nex.RestartAlways },
		func(d *nex.DeployRequest) { d.Type, d.TriggerSubjects = nex.TypeV8, []string{"x"} },
	} {
		if msg := r.ask(r.subject(nex.OpDeploy), r.deployment(edit)); msg.Header.Get("Nats-Service-Error") != "" {
			t.Fatalf("refused: %s", msg.Data)
		}
	}
	want := []nex.RestartPolicy{nex.RestartNever, nex.RestartAlways, nex.RestartOnFailure, nex.RestartAlways, nex.RestartAlways}
	var got []nex.RestartPolicy
	for _, s := range r.work.deployed() {
		got = append(got, s.Restart)
	}
	if !slices.Equal(got, want) {
		t.Errorf("deployed with %v, want %v", got, want)
	}
	contradiction := r.deployment(func(d *nex.DeployRequest) { d.Essential, d.Restart = true, nex.RestartNever })
	if msg := r.ask(r.subject(nex.OpDeploy), contradiction); !strings.Contains(string(msg.Data), "never contradicts essential") {
		t.Errorf("a contradiction is answered with %s", msg.Data)
	}
}
