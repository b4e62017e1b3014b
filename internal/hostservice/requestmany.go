package hostservice

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/hostapi"
)

// statusHeader, when it is noResponders in an empty message, is how a server answers for nobody.
const (
	statusHeader = "Status"
	noResponders = "503"
)

// manyOverhead is what an answer counts besides its text: what the description has around it.
const manyOverhead = 64

// requestMany sends a request and collects the answers. When they get larger together than what a
// function can be given it fails: part of them would look like all.
func (m messenger) requestMany(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	v, err := decode[hostapi.RequestManyRequest](r)
	if err != nil {
		return hostapi.Response{}, err
	}
	msg, err := m.message(v.MessageRequest, r.Body)
	if err != nil {
		return hostapi.Response{}, err
	}
	if v.MaxMessages < 0 || v.StallMs < 0 {
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "it is to end after %d answers, or %d ms without one: neither can be negative", v.MaxMessages, v.StallMs)
	}
	ctx, cancel := context.WithTimeout(ctx, milliseconds(v.TimeoutMs, m.timeoutMany))
	defer cancel()
	msg.Reply = m.nc.NewInbox()
	sub, failed := m.nc.SubscribeSync(msg.Reply)
	if failed != nil {
		return hostapi.Response{}, m.explain(ctx, failed, v.Subject)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails with the connection only
	// What waits to be collected is bounded, too; the limits are never refused.
	_ = sub.SetPendingLimits(hostapi.MaxMessageBytes/manyOverhead, 2*hostapi.MaxMessageBytes)
	if failed := m.nc.PublishMsg(msg); failed != nil {
		return hostapi.Response{}, m.explain(ctx, failed, v.Subject)
	}
	answers, err := m.collect(ctx, sub, v)
	if err != nil {
		return hostapi.Response{}, err
	}
	return encode(answers.described, answers.payloads)
}

// answers are what has been collected.
type answers struct {
	described hostapi.RequestManyResponse
	payloads  []byte
}

func (m messenger) collect(ctx context.Context, sub *nats.Subscription, v hostapi.RequestManyRequest) (answers, *hostapi.Error) {
	a := answers{described: hostapi.RequestManyResponse{Messages: []hostapi.ManyMessage{}}}
	stall := time.Duration(v.StallMs) * time.Millisecond
	for size := 0; v.MaxMessages == 0 || len(a.described.Messages) < v.MaxMessages; {
		first := len(a.described.Messages) == 0
		msg, err := next(ctx, sub, stall, first)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && (!first || m.nc.IsConnected()):
			return a, nil
		case errors.Is(err, nats.ErrSlowConsumer): // some were lost
			return answers{}, tooMany(v.Subject)
		case err != nil:
			return answers{}, m.explain(ctx, err, v.Subject)
		case first && len(msg.Data) == 0 && msg.Header.Get(statusHeader) == noResponders:
			return answers{}, m.explain(ctx, nats.ErrNoResponders, v.Subject)
		case v.Sentinel && len(msg.Data) == 0 && len(msg.Header) == 0:
			return a, nil
		}
		if size += msg.Size() + manyOverhead; size > hostapi.MaxMessageBytes {
			return answers{}, tooMany(v.Subject)
		}
		a.described.Messages = append(a.described.Messages, hostapi.ManyMessage{MessageResponse: describe(msg), Size: len(msg.Data)})
		a.payloads = append(a.payloads, msg.Data...)
	}
	return a, nil
}

func tooMany(subject string) *hostapi.Error {
	return hostapi.Errorf(hostapi.CodeTooLarge, "the answers on %q together have more than %d bytes: ask for fewer", clip(subject), hostapi.MaxMessageBytes)
}

// next waits for an answer, and after the first one no longer than stall, if that is more than 0.
func next(ctx context.Context, sub *nats.Subscription, stall time.Duration, first bool) (*nats.Msg, error) {
	if first || stall == 0 {
		return sub.NextMsgWithContext(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}
