package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/cli/render"
)

// deployFlags are what run and devrun have in common.
type deployFlags struct {
	keyFlags
	Argv      []string `help:"Argument of the program; repeat the flag for more." placeholder:"ARG" sep:"none"`
	Essential bool     `help:"Start the service again whenever it ends: the same as --restart always."`
	Restart   string   `help:"When to start the service again after it has ended, be it with its node or machine: always, on-failure or never (default: never)." placeholder:"POLICY" enum:",always,on-failure,never" default:""`
	functionFlags
	sandboxFlags
	JSON bool `name:"json" help:"Print the node's answer as JSON."`
}

// set puts the flags that more than one thing is made of into a deployment.
func (f deployFlags) set(d *client.Deployment) error {
	d.Essential, d.Restart = f.Essential, nex.RestartPolicy(f.Restart)
	f.sandboxFlags.set(d)
	return f.functionFlags.set(d)
}

// parseEnvironment reads k=v arguments.
func parseEnvironment(pairs []string) (map[string]string, error) {
	environment := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usagef("%q is no environment variable: write name=value", pair)
		}
		environment[name] = value
	}
	return environment, nil
}

// warnOfLoopback tells who gives a service an address of this machine that inside a sandbox is the sandbox
// itself, where nothing listens.
func (s *session) warnOfLoopback(d client.Deployment, node nex.PingResponse) {
	level := nex.SandboxLevel(node.Tags[nex.TagSandbox])
	if d.Type.Function() || !level.Valid() || level == nex.SandboxNone {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.Environment)) {
		for _, loopback := range []string{"127.0.0.1", "localhost", "[::1]"} {
			if strings.Contains(d.Environment[name], loopback) {
				s.say("%s has %s in it, which inside a sandbox is the sandbox itself: name an address that can be reached from there; without NATS_URL a service is told one, if the node knows it", render.Text(name), loopback)
				break
			}
		}
	}
}

// check finds what no node would take, before anything is uploaded or stopped for it.
func (f deployFlags) check(namespace string, d client.Deployment) error {
	if d.Name == "" {
		return usagef("no workload name can be made of the file's name: give one with --name")
	}
	if err := f.checkFunction(d.Type); err != nil {
		return err
	}
	if err := nex.RestartPolicy(f.Restart).Check(d.Type, f.Essential); err != nil {
		return usagef("--restart: %v", err)
	}
	if d.Type.Function() && len(d.Argv) > 0 {
		return usagef("a function has no arguments, it is called with subject and payload: leave --argv away, or give an environment variable, name=value")
	}
	if err := f.checkSandbox(d.Type); err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	return nex.CheckNamespace(namespace)
}

// deploy deploys and reports, and fails when the program ends at once. It waits for a function, and an
// image, until that runs or has failed: who deploys one calls it next. The answer has the state it is then in.
func (f deployFlags) deploy(ctx context.Context, s *session, c *client.Client, d client.Deployment) (nex.RunResponse, error) {
	watch := watchStart(ctx, c, client.EventFilter{Namespace: s.Namespace, Type: nex.EventWorkloadState, Node: d.Node, Workload: d.Name})
	defer watch.close()
	answer, err := c.Deploy(ctx, d)
	if err != nil {
		return answer, err
	}
	if !f.JSON {
		err = s.print("🚀 Workload '%s' accepted. You can now refer to this workload with ID: %s on node %s", answer.Name, answer.ID, d.Node)
	}
	var ended error
	switch {
	case answer.State != nex.StateStarting:
	case d.Type.Function():
		ended = watch.await(ctx, &answer, startWithin)
	case d.Type == nex.TypeOCI:
		s.say("Waiting until it runs: the node may have to fetch the image first")
		ended = watch.await(ctx, &answer, fetchWithin)
	}
	if f.JSON {
		err = s.printJSON(answer)
	}
	if err := errors.Join(ended, err); err != nil {
		return answer, err
	}
	if answer.State == nex.StateStarting {
		s.say("It is still starting: follow it with nex events, or look at nex node info %s", d.Node)
	}
	return answer, watch.crashed(ctx, answer, windowOf(d.Type, answer))
}
