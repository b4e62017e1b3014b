package cli

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/cli/render"
)

type nodeLsCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the nodes that answer.
func (c *nodeLsCommand) Run(ctx context.Context, s *session) error {
	return s.withClient(ctx, func(cl *client.Client) error {
		nodes, err := cl.Discover(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			if nodes == nil {
				nodes = []nex.PingResponse{}
			}
			return s.printJSON(nodes)
		}
		if len(nodes) == 0 {
			s.say("No node answers: start one with nex up or nex node up")
			return nil
		}
		return render.Nodes(s.Out, s.style(), nodes)
	})
}

type nodeInfoCommand struct {
	Node string `arg:"" help:"Id of the node."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows a node and the workloads of the namespace on it.
func (c *nodeInfoCommand) Run(ctx context.Context, s *session) error {
	return s.withClient(ctx, func(cl *client.Client) error {
		info, err := cl.Info(ctx, c.Node)
		if err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(info)
		}
		return render.NodeInfo(s.Out, s.style(), c.Node, info)
	})
}

type nodeProbeCommand struct {
	Arch       string            `help:"Architecture that the node must have, as Go names it: amd64, arm64." placeholder:"ARCH"`
	OS         string            `help:"Operating system that the node must have, as Go names it: linux, darwin, windows." placeholder:"OS"`
	Sandboxed  *bool             `help:"Demand that the node runs workloads in a sandbox, or that it does not." negatable:""`
	MinSandbox string            `aliases:"min_sandbox" help:"Weakest sandbox level that will do: none, gvisor or microvm." placeholder:"LEVEL" enum:",none,gvisor,microvm" default:""`
	Memory     mebibyte          `help:"Memory that must be available, in MiB or with a unit: 256, 256MiB, 1GiB." placeholder:"SIZE"`
	Type       []string          `help:"Workload type that the node must run: native, v8, wasm or oci." placeholder:"TYPE" enum:"native,v8,wasm,oci"`
	Tag        map[string]string `help:"Tag that the node must have, as key=value." placeholder:"KEY=VALUE"`
	JSON       bool              `name:"json" help:"Print JSON."`
}

// Run holds an auction without deploying anything.
func (c *nodeProbeCommand) Run(ctx context.Context, s *session) error {
	request := nex.AuctionRequest{
		Arch: c.Arch, OS: c.OS, Sandboxed: c.Sandboxed, Tags: c.Tag,
		MinSandbox: nex.SandboxLevel(c.MinSandbox), MemoryMiB: int(c.Memory), Explain: true,
	}
	for _, t := range c.Type {
		request.WorkloadTypes = append(request.WorkloadTypes, nex.WorkloadType(t))
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		answers, err := cl.Auction(ctx, request)
		if err != nil {
			return err
		}
		if c.JSON {
			if answers == nil {
				answers = []nex.AuctionResponse{}
			}
			return s.printJSON(answers)
		}
		if len(answers) == 0 {
			s.say("No node answers: start one with nex up or nex node up")
			return nil
		}
		return render.Bids(s.Out, s.style(), answers)
	})
}

type lameduckCommand struct {
	Node      string        `arg:"" help:"Id of the node."`
	ExitAfter nex.ExitAfter `help:"End the node: after this time at the latest, such as 30s, or when-idle, once no call is under way and no service or job runs." placeholder:"TIME"`
	issuerFlags
	JSON bool `name:"json" help:"Print the node's answer as JSON."`
}

// Run puts a node into lame duck mode. The request is signed if there is a key to sign with, since
// a node with valid issuers demands it.
func (c *lameduckCommand) Run(ctx context.Context, s *session) error {
	issuer, err := c.issuer(s, false)
	if err != nil && (c.Issuer != "" || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if c.ExitAfter.Check() != nil {
		return usagef("--exit-after %s is neither %s nor a time such as 30s", c.ExitAfter, nex.ExitWhenIdle)
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		answer, err := cl.LameDuck(ctx, c.Node, c.ExitAfter, issuer)
		if err != nil {
			return err
		}
		if c.JSON {
			return s.printJSON(answer)
		}
		return s.print("Node %s is in lame duck mode and takes no new workloads%s", strings.TrimSpace(answer.NodeID), c.end())
	})
}

// end says when the node ends.
func (c *lameduckCommand) end() string {
	switch c.ExitAfter {
	case "":
		return ""
	case nex.ExitWhenIdle:
		return "; it ends when it is idle"
	}
	return "; it ends within " + string(c.ExitAfter)
}
