package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
)

// gather sends a request to all nodes and returns their answers, in order, once none has come for the
// stall time. It never waits for a fixed time: when nobody listens the server says so at once. If the
// nodes did nothing but refuse, the error is what the first of them said. With any other error come
// the answers so far.
func gather[T any](ctx context.Context, c *Client, r nex.Request, body any) ([]T, error) {
	data, err := encode(body)
	if err != nil {
		return nil, err
	}
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("%s request: %w", r.Op, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails only if the connection is gone
	if err := c.nc.PublishRequest(r.Subject(), inbox, data); err != nil {
		return nil, fmt.Errorf("%s request: %w", r.Op, err)
	}
	var answers []T
	var refusal *nex.Error                            // the first
	end := time.Now().Add(c.cfg.Wait + c.cfg.Timeout) // there may be somebody who never stops to answer
	for wait := c.cfg.Wait; wait > 0; wait = min(c.cfg.Stall, time.Until(end)) {
		msg, err := next(ctx, sub, wait)
		if err != nil {
			return answers, fmt.Errorf("%s request: %w", r.Op, err)
		}
		if msg == nil {
			break
		}
		var answer T
		if err := nex.DecodeReply(nex.ResponseType(r.Op), msg.Data, &answer); err == nil {
			answers = append(answers, answer)
		} else if refusal == nil {
			errors.As(err, &refusal) // else it is somebody's own idea of an answer, which must not hide the others
		}
	}
	switch {
	case len(answers) > 0:
		return answers, nil
	case refusal != nil:
		return nil, refusal
	}
	return nil, c.denied(r.Subject())
}

// next returns the next answer, or nil when there is none any more.
func next(ctx context.Context, sub *nats.Subscription, wait time.Duration) (*nats.Msg, error) {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	msg, err := sub.NextMsgWithContext(bounded)
	switch {
	case err == nil && len(msg.Data) == 0 && msg.Header.Get("Status") == "503": // no responders
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
