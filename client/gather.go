package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// gather sends a request to all nodes and calls each with every answer until none has come for the
// stall time, or until each returns false. It never waits for a fixed time: when nobody listens the
// server says so at once.
func gather[T any](ctx context.Context, c *Client, r nex.Request, body any, each func(T) (more bool)) error {
	data, err := encode(body)
	if err != nil {
		return err
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%s request: %w", r.Op, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails only if the connection is gone
	if err := c.nc.PublishRequest(r.Subject(), inbox, data); err != nil {
		return fmt.Errorf("%s request: %w", r.Op, err)
	}
	for wait := c.cfg.Wait; ; wait = c.cfg.Stall {
		msg, err := next(ctx, sub, wait)
		if err != nil || msg == nil {
			return err
		}
		var answer T
		if nex.DecodeReply(nex.ResponseType(r.Op), msg.Data, &answer) != nil {
			continue // somebody else's idea of an answer must not hide the others
		}
		if !each(answer) {
			return nil
		}
	}
}

// next returns the next answer, or nil when there is none any more.
func next(ctx context.Context, sub *nats.Subscription, wait time.Duration) (*nats.Msg, error) {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	msg, err := sub.NextMsgWithContext(bounded)
	switch {
	case err == nil && len(msg.Data) == 0 && msg.Header.Get("Status") == "503":
		return nil, nil
	case err == nil:
		return msg, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
		return nil, nil
	}
	return nil, fmt.Errorf("wait for answers: %w", err)
}
