package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// placement is a node for a workload, among those that answered.
type placement struct {
	node  nex.PingResponse
	nodes []string // ids of all that answered
}

// findNode holds an auction and takes the first bid.
func findNode(ctx context.Context, c *client.Client, needs nex.AuctionRequest) (*placement, error) {
	answers, err := c.Auction(ctx, needs)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		return nil, nex.Errorf(nex.CodeNodeNotFound, "no node answers: start one with nex up or nex node up, or name the NATS server with --server")
	}
	p := &placement{}
	var why []string
	for _, a := range answers {
		p.nodes = append(p.nodes, a.NodeID)
		if a.Bids() && p.node.NodeID == "" {
			p.node = a.PingResponse
		}
		why = append(why, fmt.Sprintf("%s: %s", a.NodeID, strings.Join(a.Reasons, ", ")))
	}
	if p.node.NodeID == "" {
		return nil, nex.Errorf(nex.CodeNodeNotFound, "no node takes the workload: %s", strings.Join(why, "; "))
	}
	return p, nil
}

// locatedWorkload is a workload and the node that it is on.
type locatedWorkload struct {
	nex.MachineInfo
	Node string `json:"node_id"`
}

// locate returns the workloads of the namespace with this id or name on some nodes, also those that
// ended by themselves.
func locate(ctx context.Context, c *client.Client, nodes []string, idOrName string) ([]locatedWorkload, error) {
	onNode := make([][]locatedWorkload, len(nodes))
	group, ctx := errgroup.WithContext(ctx)
	for i, node := range nodes {
		group.Go(func() error {
			info, err := c.Info(ctx, node)
			if errors.Is(err, nex.ErrNodeNotFound) && len(nodes) > 1 {
				return nil // it has gone since it was found
			}
			if err != nil {
				return err
			}
			for _, m := range info.Machines {
				if m.ID == idOrName || m.Workload.Name == idOrName {
					onNode[i] = append(onNode[i], locatedWorkload{MachineInfo: m, Node: node})
				}
			}
			return nil
		})
	}
	err := group.Wait()
	var found []locatedWorkload
	for _, list := range onNode {
		found = append(found, list...)
	}
	return found, err
}

// discoverIDs returns the ids of all nodes that answer, or of the one that was named.
func discoverIDs(ctx context.Context, c *client.Client, named string) ([]string, error) {
	if named != "" {
		return []string{named}, nil
	}
	pings, err := c.Discover(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(pings))
	for i, p := range pings {
		ids[i] = p.NodeID
	}
	if len(ids) == 0 {
		return nil, nex.Errorf(nex.CodeNodeNotFound, "no node answers: start one with nex up or nex node up, or name the NATS server with --server")
	}
	return ids, nil
}
