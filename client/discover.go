package client

import (
	"context"

	nex "github.com/nex-engine/nex"
)

// Discover returns every node that answers, in the order of their answers. None is no error. When ctx
// ends first it returns those that have answered, and why.
func (c *Client) Discover(ctx context.Context) ([]nex.PingResponse, error) {
	return gather[nex.PingResponse](ctx, c, nex.Request{Op: nex.OpPing}, nil)
}

// Ping asks one node. A node that is not there gets [nex.ErrNodeNotFound].
func (c *Client) Ping(ctx context.Context, node string) (nex.PingResponse, error) {
	var p nex.PingResponse
	err := c.request(ctx, nex.Request{Op: nex.OpPing, Node: node}, nil, &p, c.cfg.Timeout)
	return p, err
}

// Auction asks which nodes could take a workload; they are in the order of their answers. None is no
// error, unless the nodes refuse the request itself. With r.Explain the answers of those that could
// not are among the result: see [nex.AuctionResponse.Bids].
func (c *Client) Auction(ctx context.Context, r nex.AuctionRequest) ([]nex.AuctionResponse, error) {
	return gather[nex.AuctionResponse](ctx, c, nex.Request{Op: nex.OpAuction}, r)
}

// FindWorkloads asks every node for the workloads of the namespace that have the id or name, for
// all of the namespace when it is empty. Nodes without any do not answer.
func (c *Client) FindWorkloads(ctx context.Context, idOrName string) ([]nex.WorkloadPingResponse, error) {
	r := nex.Request{Op: nex.OpWorkloadPing, Namespace: c.cfg.Namespace, Workload: idOrName}
	if err := checkNamespace(c.cfg.Namespace); err != nil {
		return nil, err
	}
	if _, err := nex.ParseRequest(r.Subject()); err != nil {
		return nil, err // else every node would say so
	}
	return gather[nex.WorkloadPingResponse](ctx, c, r, nil)
}

// Info asks a node about itself and the workloads of the namespace on it.
func (c *Client) Info(ctx context.Context, node string) (nex.InfoResponse, error) {
	var info nex.InfoResponse
	err := c.nodeRequest(ctx, nex.OpInfo, node, nil, &info, c.cfg.Timeout)
	return info, err
}

// Logs asks a node for the lines that it keeps of the namespace's workloads, oldest first.
func (c *Client) Logs(ctx context.Context, node string, r nex.LogsRequest) ([]nex.LogLine, error) {
	var answer nex.LogsResponse
	err := c.nodeRequest(ctx, nex.OpLogs, node, r, &answer, c.cfg.Timeout)
	return answer.Lines, err
}
