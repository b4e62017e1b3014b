package escape_test

import "testing"

// files is about those of the host.
func files(t *testing.T, r *rig, _ *world) {
	c := newCanaries(t, r)
	r.deploy(t, r.intruder("files"))
	r.attack(t, "files", append([]string{"read"}, c.paths...)...).wantRefused(t)
	r.attack(t, "files", append([]string{"link"}, c.paths...)...).wantRefused(t)
	r.attack(t, "files", append([]string{"write"}, c.paths...)...).wantRefused(t)
	if _, err := r.ask("files", attackTimeout, append([]string{"litter"}, c.dirs()...)...); err != nil {
		t.Error(err)
	}
	r.attack(t, "files", "system").wantRefused(t)
	c.wantUntouched(t)

	control := newCanaries(t, r)
	onHost(t, append([]string{"read"}, control.paths...)...).wantEscaped(t)
	if len(control.touched(t)) == 0 {
		t.Error("nobody notices that the canaries are read")
	}
	onHost(t, append([]string{"write"}, control.paths...)...).wantEscaped(t)
	c.wantUntouched(t)
}
