package natsforms_test

// This file lets nodes join, and deploys and calls.

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nex-engine/nex/internal/nextest"
)

// joins starts a node with the settings of the terminal, and returns it when it is ready.
func (tt *terminal) joins(flags ...string) *nextest.Process {
	tt.t.Helper()
	p := tt.background(tt.command("nex", append([]string{"node", "up", "--no-sandbox", "--json"}, flags...)...))
	must(tt.t, p.AwaitReady())
	return p
}

// calls deploys a service and a function with the settings of the terminal, and calls both on subjects below one.
// The service gets the variables of NATS from the terminal. Flags are for all nex commands. Without a node it may be
// any.
func (tt *terminal) calls(node *nextest.Process, below string, flags ...string) {
	tt.t.Helper()
	tt.deploysService(node, below+".service", flags...)
	tt.answers(below+".service", "the service has got hello")
	tt.deploysFunction(node, below+".function", flags...)
	tt.answers(below+".function", "hello from "+below+".function")
}

// deploysService deploys a service that answers on a subject.
func (tt *terminal) deploysService(node *nextest.Process, subject string, flags ...string) {
	tt.t.Helper()
	args := append([]string{"devrun", filepath.Join(binDir, "formservice"), "SUBJECT=" + subject}, flags...)
	for _, name := range slices.Sorted(maps.Keys(tt.env)) {
		if strings.HasPrefix(name, "NATS_") {
			value := tt.env[name]
			if path := tt.path(value); exists(path) && !filepath.IsAbs(value) { // it has a folder of its own
				value = path
			}
			args = append(args, name+"="+value)
		}
	}
	tt.onNode(node, tt.ok("nex", args...))
}

// deploysFunction deploys a function that answers on a subject.
func (tt *terminal) deploysFunction(node *nextest.Process, subject string, flags ...string) {
	tt.t.Helper()
	tt.write("hello.js")
	tt.onNode(node, tt.ok("nex", append([]string{"devrun", "hello.js", "--trigger_subject=" + subject}, flags...)...))
}

func (tt *terminal) onNode(node *nextest.Process, output string) {
	tt.t.Helper()
	if node != nil && !strings.Contains(output, node.Ready.NodeID) {
		tt.t.Errorf("not deployed to node %s: %s", node.Ready.NodeID, output)
	}
}

// answers waits until a request on a subject has an answer.
func (tt *terminal) answers(subject, want string) {
	tt.t.Helper()
	var output, log string
	if !nextest.Poll(func() bool {
		var err error
		output, log, err = tt.finish(tt.command("nats", "req", subject, "hello", "--timeout", "2s"))
		return err == nil && strings.Contains(output, want)
	}) {
		tt.t.Errorf("a request on %s is answered with %s%s", subject, output, log)
	}
}
