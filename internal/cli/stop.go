package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

type stopCommand struct {
	Workload string `arg:"" help:"Id or name of the workload."`
	Node     string `help:"Id of the node that the workload is on; found if not given." placeholder:"ID"`
	issuerFlags
	graceFlag
	JSON bool `name:"json" help:"Print the node's answer as JSON."`
}

// graceFlag is the time between SIGTERM and SIGKILL.
type graceFlag struct {
	Grace time.Duration `help:"Time that the program gets to end after SIGTERM, before SIGKILL." default:"10s" placeholder:"TIME"`
}

func (f graceFlag) checkGrace() error {
	if f.Grace < 0 || f.Grace.Milliseconds() > nex.MaxGraceMillis {
		return usagef("--grace must be between 0s and %s", nex.MaxGraceMillis*time.Millisecond)
	}
	return nil
}

// onWire is the grace as a request has it: there 0 means the default, so that no grace at all is the
// least there is.
func (f graceFlag) onWire() time.Duration { return max(f.Grace, time.Millisecond) }

// Run stops a workload and waits for its end.
func (c *stopCommand) Run(ctx context.Context, s *session) error {
	if err := c.checkGrace(); err != nil {
		return err
	}
	issuer, err := c.issuer(s, false)
	if err != nil {
		return err
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		w, err := c.find(ctx, s, cl)
		if err != nil {
			return err
		}
		answer, err := cl.Stop(ctx, client.Stopping{Node: w.Node, ID: w.ID, Name: w.Workload.Name, Issuer: issuer, Grace: c.onWire()})
		if errors.Is(err, nex.ErrWorkloadNotFound) {
			return nex.Errorf(nex.CodeWorkloadNotFound, "workload %s was not stopped: only the issuer that started it can, so give its key with --issuer, or somebody was faster", w.ID)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(answer)
		}
		return s.print("Workload '%s' stopped: %s on node %s", answer.Name, answer.ID, w.Node)
	})
}

func (c *stopCommand) find(ctx context.Context, s *session, cl *client.Client) (*locatedWorkload, error) {
	nodes, err := discoverIDs(ctx, cl, c.Node)
	if err != nil {
		return nil, err
	}
	found, err := locate(ctx, cl, nodes, c.Workload)
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, nex.Errorf(nex.CodeWorkloadNotFound, "there is no workload %s in namespace %s: list them with nex node info", c.Workload, s.Namespace)
	case 1:
		return &found[0], nil
	}
	ids := make([]string, len(found))
	for i, w := range found {
		ids[i] = w.ID
	}
	return nil, fmt.Errorf("%d workloads are named %s: stop one by its id: %s", len(found), c.Workload, strings.Join(ids, ", "))
}
