package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// deployFlags are what run and devrun have in common.
type deployFlags struct {
	keyFlags
	Argv      []string `help:"Argument of the program; repeat the flag for more." placeholder:"ARG" sep:"none"`
	Essential bool     `help:"Start the workload again whenever it ends."`
	functionFlags
	JSON bool `name:"json" help:"Print the node's answer as JSON."`
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

// check finds what no node would take, before anything is uploaded or stopped for it.
func (f deployFlags) check(namespace string, d client.Deployment) error {
	if d.Name == "" {
		return usagef("no workload name can be made of the file's name: give one with --name")
	}
	if err := f.checkFunction(d.Type); err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	return nex.CheckNamespace(namespace)
}

// crashWindow is how long run and devrun look whether a program that was started ends at once. They
// look on while the answer is printed, so that a crash at the start is seen where it was caused.
const crashWindow = 50 * time.Millisecond

// deploy deploys and reports, and fails when the program ends at once.
func (f deployFlags) deploy(ctx context.Context, s *session, c *client.Client, d client.Deployment) (nex.RunResponse, error) {
	watchCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := make(chan nex.WorkloadStateChanged, 64)
	watched := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		watched <- c.WatchEvents(watchCtx, client.EventFilter{Namespace: s.Namespace, Type: nex.EventWorkloadState, Node: d.Node, Workload: d.Name},
			func() { close(ready) }, func(e nex.Event) { collect(changes, e) })
	}()
	select {
	case <-ready:
	case err := <-watched: // a connection that may not see events can deploy nevertheless
		watched <- err
	}
	answer, err := c.Deploy(ctx, d)
	if err != nil {
		return answer, err
	}
	if f.JSON {
		err = s.printJSON(answer)
	} else {
		err = s.print("🚀 Workload '%s' accepted. You can now refer to this workload with ID: %s on node %s", answer.Name, answer.ID, d.Node)
	}
	if err != nil {
		return answer, err
	}
	if answer.State == nex.StateStarting {
		s.say("It is still starting: follow it with nex events, or look at nex node info %s", d.Node)
	}
	err = crashed(ctx, changes, answer)
	cancel()
	<-watched
	return answer, err
}

func collect(changes chan<- nex.WorkloadStateChanged, e nex.Event) {
	change, err := e.StateChange()
	if err != nil {
		return
	}
	select {
	case changes <- change:
	default: // enough changes for one look
	}
}

// crashed waits a moment for news that the workload has ended or restarts.
func crashed(ctx context.Context, changes <-chan nex.WorkloadStateChanged, answer nex.RunResponse) error {
	timer := time.NewTimer(crashWindow)
	defer timer.Stop()
	for {
		select {
		case change := <-changes:
			if change.ID == answer.ID && (change.To == nex.StateFailed || change.To == nex.StateRestarting) {
				return fmt.Errorf("workload %s ended right after its start: %s: look at nex logs --no-follow --workload %s", answer.Name, change.Reason, answer.ID)
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
