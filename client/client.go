package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	// Besides, such a request ends when Wait and Timeout are over, however many answer.
	Stall time.Duration
	// JSDomain is the JetStream domain of artifacts, unless an Upload or a Deployment names another; empty is the
	// connection's own, which for a Deployment is that of the node's connection.
	JSDomain string
	// JSAPIPrefix begins the subjects of the JetStream API, such as "$JS.other.API", where no domain is named; empty
	// is the usual one. Nodes have settings of their own for that.
	JSAPIPrefix string
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

// nodeRequest sends a request within the namespace to one node.
func (c *Client) nodeRequest(ctx context.Context, op nex.Op, node string, body, out any, timeout time.Duration) error {
	return c.request(ctx, nex.Request{Op: op, Namespace: c.cfg.Namespace, Node: node}, body, out, timeout)
}

// request sends a request to one node and decodes its answer into out.
func (c *Client) request(ctx context.Context, r nex.Request, body, out any, timeout time.Duration) error {
	if err := checkNode(r.Node); err != nil {
		return err
	}
	if _, err := nex.ParseRequest(r.Subject()); err != nil {
		return err
	}
	data, err := encode(body)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	msg, err := c.nc.RequestWithContext(bounded, r.Subject(), data)
	switch {
	case err == nil:
		return nex.DecodeReply(nex.ResponseType(r.Op), msg.Data, out)
	case ctx.Err() != nil:
		return fmt.Errorf("%s request to node %s: %w", r.Op, r.Node, context.Cause(ctx))
	}
	return c.requestError(r, err, timeout)
}

func (c *Client) requestError(r nex.Request, err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nex.Errorf(nex.CodeNodeNotFound, "no node %s answers: list the nodes with nex node ls, and check that the connection may use $NEX.>", r.Node)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		if denied := c.denied(r.Subject()); denied != nil {
			return denied
		}
		return nex.Errorf(nex.CodeTimeout, "node %s did not answer %s within %s: allow more time with --timeout", r.Node, r.Op, timeout)
	case errors.Is(err, nats.ErrMaxPayload):
		return nex.Errorf(nex.CodeRequestTooLarge, "the request is larger than the max_payload of the NATS server, %d bytes: make argv and environment smaller", c.nc.MaxPayload())
	}
	return fmt.Errorf("%s request to node %s: %w", r.Op, r.Node, err)
}

// denied returns an error if the NATS server has let the connection know that it may not use the
// subject. The server says so on the side: what was published just gets lost.
func (c *Client) denied(subject string) error {
	err := c.nc.LastError()
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
		return fmt.Errorf("the connection may not use subject %s: allow it to its user on the NATS server: %w", subject, nats.ErrPermissionViolation)
	}
	return nil
}

// checkNamespace also lets the nodes' own namespace pass, in which there is something to see.
func checkNamespace(namespace string) error {
	if namespace == nex.SystemNamespace {
		return nil
	}
	return nex.CheckNamespace(namespace)
}

func checkNode(node string) error {
	if !nex.IsNodeID(node) {
		return nex.Errorf(nex.CodeNodeNotFound, "%.64q is not a node id: list the nodes with nex node ls", node)
	}
	return nil
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
