package node_test

import (
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

// TestProgramThatEnds shows that the reason is there for who asks later.
func TestProgramThatEnds(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct {
		name   string
		argv   []string
		state  nex.State
		reason string
	}{
		{"done", []string{"exit", "0"}, nex.StateCompleted, "the program ended with status 0"},
		{"failed", []string{"exit", "3"}, nex.StateFailed, "the program ended with status 3"},
		{"killed", []string{"abort"}, nex.StateFailed, "the program was ended by SIGKILL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			d := in.testprog(c.name, c.argv...)
			id := in.deploy(d)
			m := in.awaitState(id, c.state)
			if m.Reason != c.reason || m.Healthy || m.Restarts != 0 {
				t.Errorf("workload = %+v, want reason %q, unhealthy, never restarted", m, c.reason)
			}
			if c.argv[0] == "exit" {
				in.awaitLine(id, "ending with status "+c.argv[1])
			}
			// Who stops what has ended makes the node forget it.
			in.undeploy(d, id)
			if _, there := in.workload(id); there {
				t.Errorf("workload %s is there after it was stopped", id)
			}
			in.unharmed()
		})
	}
}

func TestEssentialProgramIsGivenUpInTheEnd(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Restart.MaxStarts = 3 })
	d := r.testprog("prog", "exit", "3")
	d.Essential = true
	id := r.deploy(d)
	m := r.awaitState(id, nex.StateFailed)
	if want := "the program ended with status 3; given up after 3 starts"; m.Reason != want || m.Restarts != 2 {
		t.Errorf("reason = %q after %d restarts, want %q after 2", m.Reason, m.Restarts, want)
	}
	said := 0
	for _, line := range r.lines(id) {
		if line == "ending with status 3" {
			said++
		}
	}
	if said != 3 {
		t.Errorf("the log has %d ends, want 3:\n%s", said, strings.Join(r.lines(id), "\n"))
	}
	r.unharmed()
}

func TestEssentialProgramIsStoppedWhileItWaits(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Restart.MaxStarts = 0 })
	d := r.testprog("prog", "exit", "3")
	d.Essential = true
	id := r.deploy(d)
	r.await(id, "it was restarted", func(m nex.MachineInfo) bool { return m.Restarts > 1 })
	r.undeploy(d, id)
	r.unharmed()
}

func TestEnvironmentOfAProgram(t *testing.T) {
	t.Parallel()
	r := start(t)
	d := r.testprog("prog", "print", "greeting", "GREETING", "NATS_URL", "NEX_WORKLOAD_NAME", "NEX_NAMESPACE", "NEX_ISSUER")
	d.Environment = map[string]string{"greeting": "hey there"}
	id := r.deploy(d)
	r.awaitLine(id, "ready")
	for _, want := range []string{
		"greeting=hey there", "GREETING=hey there", "NATS_URL=" + r.server.ClientURL(),
		"NEX_WORKLOAD_NAME=prog", "NEX_NAMESPACE=default", "NEX_ISSUER=",
	} {
		r.awaitLine(id, want)
	}
	if strings.Contains(r.log.String(), "hey there") {
		t.Error("the node's log has a value of the environment")
	}
	r.undeploy(d, id)
	r.clean()
}
