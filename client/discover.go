package client

import (
	"context"

	nex "github.com/nex-engine/nex"
)

// Discover returns every node that answers, in the order of their answers. None is no error.
func (c *Client) Discover(ctx context.Context) ([]nex.PingResponse, error) {
	var nodes []nex.PingResponse
	err := gather(ctx, c, nex.Request{Op: nex.OpPing}, nil, func(p nex.PingResponse) bool {
		nodes = append(nodes, p)
		return true
	})
	return nodes, err
}

// Ping asks one node. A node that is not there gets [nex.ErrNodeNotFound].
func (c *Client) Ping(ctx context.Context, node string) (nex.PingResponse, error) {
	var p nex.PingResponse
	if !nex.IsNodeID(node) {
		return p, nex.Errorf(nex.CodeNodeNotFound, "%q is not a node id: list the nodes with nex node ls", node)
	}
	err := c.request(ctx, nex.Request{Op: nex.OpPing, Node: node}, nil, &p, c.cfg.Timeout)
	return p, err
}

// Auction asks which nodes could take a workload. With r.Explain the answers of those that could
// not are among the result: see [nex.AuctionResponse.Bids].
func (c *Client) Auction(ctx context.Context, r nex.AuctionRequest) ([]nex.AuctionResponse, error) {
	var answers []nex.AuctionResponse
	err := gather(ctx, c, nex.Request{Op: nex.OpAuction}, r, func(a nex.AuctionResponse) bool {
		answers = append(answers, a)
		return true
	})
	return answers, err
}

// FindWorkloads asks every node for the workloads of the namespace that have the id or name, for
// all of the namespace when it is empty. Nodes without any do not answer.
func (c *Client) FindWorkloads(ctx context.Context, idOrName string) ([]nex.WorkloadPingResponse, error) {
	r := nex.Request{Op: nex.OpWorkloadPing, Namespace: c.cfg.Namespace, Workload: idOrName}
	if _, err := nex.ParseRequest(r.Subject()); err != nil {
		return nil, err
	}
	var found []nex.WorkloadPingResponse
	err := gather(ctx, c, r, nil, func(w nex.WorkloadPingResponse) bool {
		found = append(found, w)
		return true
	})
	return found, err
}

// Info asks a node about itself and the workloads of the namespace on it.
func (c *Client) Info(ctx context.Context, node string) (nex.InfoResponse, error) {
	var info nex.InfoResponse
	err := c.nodeRequest(ctx, nex.OpInfo, node, nil, &info)
	return info, err
}

// Logs asks a node for the lines that it keeps of the namespace's workloads.
func (c *Client) Logs(ctx context.Context, node string, r nex.LogsRequest) ([]nex.LogLine, error) {
	var answer nex.LogsResponse
	err := c.nodeRequest(ctx, nex.OpLogs, node, r, &answer)
	return answer.Lines, err
}

// nodeRequest sends a request within the namespace to one node.
func (c *Client) nodeRequest(ctx context.Context, op nex.Op, node string, body, out any) error {
	r := nex.Request{Op: op, Namespace: c.cfg.Namespace, Node: node}
	if _, err := nex.ParseRequest(r.Subject()); err != nil {
		return err
	}
	return c.request(ctx, r, body, out, c.cfg.Timeout)
}
