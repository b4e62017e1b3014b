// Package client is the Go client of the control API: what the nex command uses, and what other
// programs can use to discover nodes, and to deploy, watch and stop workloads.
//
// A [Client] works on a NATS connection that its caller owns. Nothing runs in the background
// between calls; WatchEvents and FollowLogs run until their context ends. Failures that a node
// reports are [nex.Error] values, to be told apart with errors.Is or [nex.CodeOf].
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// Defaults of Config.
const (
	DefaultTimeout = 5 * time.Second
	DefaultWait    = time.Second
	DefaultStall   = 100 * time.Millisecond
)

// Config is how a Client behaves. The zero value works.
type Config struct {
	// Namespace is the one that workloads are in; empty means nex.DefaultNamespace.
	Namespace string
	// Timeout bounds one request to one node; 0 means DefaultTimeout.
	Timeout time.Duration
	// Wait bounds the wait for the first answer of a request to all nodes; 0 means DefaultWait.
	Wait time.Duration
	// Stall ends a request to all nodes once no answer has come for so long; 0 means DefaultStall.
	Stall time.Duration
}

// Client speaks to nodes. It is safe for concurrent use.
type Client struct {
	nc  *nats.Conn
	cfg Config
}

// New makes a Client on a connection, which stays the caller's.
func New(nc *nats.Conn, cfg Config) *Client {
	if cfg.Namespace == "" {
		cfg.Namespace = nex.DefaultNamespace
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	if cfg.Stall == 0 {
		cfg.Stall = DefaultStall
	}
	return &Client{nc: nc, cfg: cfg}
}

// request sends a request to one node and decodes its answer into out.
func (c *Client) request(ctx context.Context, r nex.Request, body, out any, timeout time.Duration) error {
	data, err := encode(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	msg, err := c.nc.RequestWithContext(ctx, r.Subject(), data)
	if err != nil {
		return requestError(r, err, timeout)
	}
	return nex.DecodeReply(nex.ResponseType(r.Op), msg.Data, out)
}

func requestError(r nex.Request, err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nex.Errorf(nex.CodeNodeNotFound, "no node %s answers: list the nodes with nex node ls, and check that the connection may use $NEX.>", r.Node)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nex.Errorf(nex.CodeTimeout, "node %s did not answer %s within %s: allow more time with --timeout", r.Node, r.Op, timeout)
	}
	return fmt.Errorf("%s request to node %s: %w", r.Op, r.Node, err)
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if len(data) > nex.MaxRequestBytes {
		return nil, nex.Errorf(nex.CodeRequestTooLarge, "the request has %d bytes, more than the %d allowed: make argv and environment smaller", len(data), nex.MaxRequestBytes)
	}
	return data, nil
}
