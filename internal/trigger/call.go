package trigger

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// receive is called with one message of a subject after the other, and does not wait for calls.
func (a *attachment) receive(e *endpoint, m *nats.Msg) {
	f, arrived := a.f, time.Now()
	size := int64(m.Size()) // headers count
	refusal := f.admit(size)
	a.begin()
	if refusal != nil {
		f.refused.Add(1)
		m.Data, m.Header = nil, nil // it may wait to be answered
		f.outbox.put(letter{endpoint: e, message: m, answer: *refusal, refused: true, sent: a.end})
		return
	}
	a.agent.Call(agentlink.Trigger{
		ID: nuid.Next(), Subject: m.Subject, Timeout: f.cfg.Timeout, Header: function.Header(m.Header), Payload: m.Data,
	}, func(answer agentlink.Answer) {
		f.outbox.put(letter{endpoint: e, message: m, answer: answer, took: time.Since(arrived), sent: func() {
			f.release(size)
			a.end()
		}})
	})
	m.Data, m.Header = nil, nil // the agent has them
}

// admit takes a call in, or says why not.
func (f *Function) admit(size int64) *agentlink.Answer {
	switch {
	case size > agentlink.MaxPayloadBytes:
		return &agentlink.Answer{Status: function.StatusTooLarge, Message: "the message has " + strconv.FormatInt(size, 10) + " bytes, more than the " + strconv.Itoa(agentlink.MaxPayloadBytes) + " that a function takes"}
	case f.calls.Add(1) > int64(f.cfg.MaxCalls):
		f.calls.Add(-1)
		return &agentlink.Answer{Status: function.StatusUnavailable, Message: "the function has " + strconv.Itoa(f.cfg.MaxCalls) + " calls under way, as many as it may have: try again"}
	case f.bytes.Add(size) > f.cfg.MaxBytes:
		f.release(size)
		return &agentlink.Answer{Status: function.StatusUnavailable, Message: "the messages of the calls under way are as large as they may be together: try again"}
	}
	return nil
}

func (f *Function) release(size int64) {
	f.calls.Add(-1)
	f.bytes.Add(-size)
}

func (a *attachment) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
}

func (a *attachment) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls--
	if a.calls == 0 && a.idle != nil {
		close(a.idle)
	}
}
