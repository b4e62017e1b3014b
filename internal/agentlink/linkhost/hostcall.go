package linkhost

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/hostapi"
)

// serve answers a host service request, beside other messages.
func (l *Link) serve(m *nats.Msg, method string) {
	r, timeout, err := agentlink.ParseHostRequest(m.Data)
	if err != nil {
		l.warn("refused a malformed host service request", err)
		l.respond(m, hostapi.Response{}, hostapi.Errorf(hostapi.CodeInvalid, "%v", err))
		return
	}
	r.Service, r.Method, _ = strings.Cut(method, ".")
	e := l.events.Load()
	if e == nil || e.Host == nil {
		l.respond(m, hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "this workload has no host services"))
		return
	}
	l.servingMu.Lock()
	defer l.servingMu.Unlock()
	if l.ctx.Err() != nil {
		return // Close may wait already
	}
	l.serving.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, timeout)
		defer cancel()
		response, err := e.Host(ctx, r)
		l.respond(m, response, err)
	})
}

// respond sends the answer. One that cannot be sent has nobody left to read it.
func (l *Link) respond(m *nats.Msg, r hostapi.Response, err error) {
	var failure *hostapi.Error
	switch n := len(r.Meta) + len(r.Body); {
	case errors.As(err, &failure):
	case err != nil:
		failure = hostapi.Errorf(hostapi.CodeInternal, "%v", err)
	case n > agentlink.MaxPayloadBytes:
		failure = hostapi.Errorf(hostapi.CodeTooLarge, "the answer has %d bytes, more than %d", n, agentlink.MaxPayloadBytes)
	}
	frame := l.frames.Get()
	*frame = agentlink.AppendHostResponse(*frame, r, failure)
	_ = m.Respond(*frame)
	l.frames.Put(frame)
}
