package escape_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// kernel is about what programs ask of the kernel.
func kernel(t *testing.T, r *rig, _ *world) {
	before, host := time.Now(), hostname(t)
	r.deploy(t, r.intruder("kernel"))
	r.attack(t, "kernel", "privileged", "/tmp").wantRefused(t)
	r.attack(t, "kernel", "kernel").wantRefused(t)
	r.attack(t, "kernel", "devices").wantRefused(t)
	r.attack(t, "kernel", "set-user-id").wantRefused(t)
	r.attack(t, "kernel", "lift").wantRefused(t)
	if now := hostname(t); now != host {
		t.Errorf("the machine is called %q, before %q", now, host)
	}
	if d := time.Now().Round(0).Sub(before.Round(0)) - time.Since(before); d.Abs() > time.Second {
		t.Errorf("the clock was set by %s", d)
	}
	control := filepath.Join(t.TempDir(), "control")
	if err := os.Mkdir(control, 0o700); err != nil {
		t.Fatal(err)
	}
	onHost(t, "privileged", control).wantEscaped(t)
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// userNamespace is about who makes himself root of a user namespace: he has all rights in it, and none on
// what is outside of it.
func userNamespace(t *testing.T, r *rig, _ *world) {
	c := newCanaries(t, r)
	r.deploy(t, r.intruder("root"))
	victim := newVictim(t)
	for _, args := range [][]string{
		append([]string{"read"}, c.paths...),
		append([]string{"write"}, c.paths...),
		{"process", agentPID},
		append([]string{"process"}, r.hostPIDs(t, victim)...),
		{"search"},
		{"kernel"},
		{"devices"},
		{"system"},
		{"lift"},
	} {
		r.attack(t, "root", append([]string{"confined"}, args...)...).wantRefused(t)
	}
	c.wantUntouched(t)
	if victim.ended() {
		t.Error("a process of the host has ended")
	}
}
