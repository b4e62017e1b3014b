package hostservice

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/hostapi"
)

// traceHeader makes servers send a report of a message to the subject that it names.
const traceHeader = "Nats-Trace-Dest"

// messenger sends the messages of a workload.
type messenger struct {
	nc          *nats.Conn
	denied      subjectList
	timeout     time.Duration // of request
	timeoutMany time.Duration // of request_many
}

func newMessenger(nc *nats.Conn, denied subjectList, c config.MessagingConfig) messenger {
	inbox := "_INBOX"
	if nc.Opts.InboxPrefix != "" {
		inbox = nc.Opts.InboxPrefix
	}
	return messenger{
		nc:          nc,
		denied:      append(slices.Clip(denied), append(strings.Split(inbox, "."), ">")),
		timeout:     milliseconds(c.RequestTimeoutMs, defaultRequestTimeout),
		timeoutMany: milliseconds(c.RequestManyTimeoutMs, defaultRequestManyTimeout),
	}
}

func (m messenger) publish(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	v, err := decode[hostapi.MessageRequest](r)
	if err != nil {
		return hostapi.Response{}, err
	}
	msg, err := m.message(v, r.Body)
	if err != nil {
		return hostapi.Response{}, err
	}
	return hostapi.Response{}, m.explain(ctx, m.nc.PublishMsg(msg), v.Subject)
}

func (m messenger) request(ctx context.Context, r hostapi.Request) (hostapi.Response, *hostapi.Error) {
	v, err := decode[hostapi.MessageRequest](r)
	if err != nil {
		return hostapi.Response{}, err
	}
	msg, err := m.message(v, r.Body)
	if err != nil {
		return hostapi.Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, milliseconds(v.TimeoutMs, m.timeout))
	defer cancel()
	answer, failed := m.nc.RequestMsgWithContext(ctx, msg)
	if failed != nil {
		return hostapi.Response{}, m.explain(ctx, failed, v.Subject)
	}
	return encode(describe(answer), answer.Data)
}

// message makes the message that is asked for, if it may be sent.
func (m messenger) message(v hostapi.MessageRequest, payload []byte) (*nats.Msg, *hostapi.Error) {
	if err := checkSubject(v.Subject); err != nil {
		return nil, err
	}
	if v.TimeoutMs < 0 {
		return nil, hostapi.Errorf(hostapi.CodeInvalid, "the timeout is %d ms: it cannot be negative", v.TimeoutMs)
	}
	if entry, ok := m.denied.match(v.Subject); ok {
		return nil, hostapi.Errorf(hostapi.CodeDenied, "the subject %q may not be used: %s is denied to functions", clip(v.Subject), entry)
	}
	if err := checkHeaders(v.Headers); err != nil {
		return nil, err
	}
	for name := range v.Headers {
		if strings.EqualFold(name, traceHeader) {
			return nil, hostapi.Errorf(hostapi.CodeDenied, "the header %s may not be used: it makes the server send messages", traceHeader)
		}
	}
	return &nats.Msg{Subject: v.Subject, Header: v.Headers, Data: payload}, nil
}

// explain makes the error of a request of what went wrong when a message was sent, or waited for.
func (m messenger) explain(ctx context.Context, err error, subject string) *hostapi.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrNoResponders):
		return hostapi.Errorf(hostapi.CodeNoResponders, "nobody listens on %q", clip(subject))
	case errors.Is(err, nats.ErrMaxPayload):
		return hostapi.Errorf(hostapi.CodeTooLarge, "the message to %q is larger than the %d bytes that NATS takes", clip(subject), m.nc.MaxPayload())
	case errors.Is(ctx.Err(), context.Canceled):
		return ended(ctx, "messaging")
	case !m.nc.IsConnected():
		return hostapi.Errorf(hostapi.CodeUnavailable, "messaging is unavailable: the node has no connection to NATS at the moment")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return hostapi.Errorf(hostapi.CodeTimeout, "no answer on %q in time: allow more time, or see to who listens there", clip(subject))
	}
	return hostapi.Errorf(hostapi.CodeUnavailable, "the message to %q could not be sent: %v", clip(subject), err)
}

// describe returns what an answer has besides its payload.
func describe(m *nats.Msg) hostapi.MessageResponse {
	return hostapi.MessageResponse{Subject: m.Subject, Headers: m.Header}
}
