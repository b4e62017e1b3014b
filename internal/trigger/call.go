package trigger

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/nats-io/nuid"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// receive is called with one message of a subject after the other, and does not wait for calls.
func (a *attachment) receive(e *endpoint, m *nats.Msg) {
	f, arrived := a.f, time.Now()
	size := int64(len(m.Data))
	if refusal := f.admit(size); refusal != nil {
		f.refuse(e, m, *refusal)
		return
	}
	a.begin()
	a.agent.Call(agentlink.Trigger{
		ID: nuid.Next(), Subject: m.Subject, Timeout: f.cfg.Timeout, Header: function.Header(m.Header), Payload: m.Data,
	}, func(answer agentlink.Answer) {
		f.release(size)
		f.answer(e, m, time.Since(arrived), answer)
		a.end()
	})
}

// admit takes a call in, or says why not.
func (f *Function) admit(size int64) *agentlink.Answer {
	switch {
	case size > agentlink.MaxPayloadBytes:
		return &agentlink.Answer{Status: function.StatusTooLarge, Message: "the payload has " + strconv.FormatInt(size, 10) + " bytes, more than the " + strconv.Itoa(agentlink.MaxPayloadBytes) + " that a function takes"}
	case f.calls.Add(1) > int64(f.cfg.MaxCalls):
		f.calls.Add(-1)
		return &agentlink.Answer{Status: function.StatusUnavailable, Message: "the function has " + strconv.Itoa(f.cfg.MaxCalls) + " calls under way, as many as it may have: try again"}
	case f.bytes.Add(size) > f.cfg.MaxBytes:
		f.release(size)
		return &agentlink.Answer{Status: function.StatusUnavailable, Message: "the payloads of the calls under way are as large as they may be together: try again"}
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

// refuse answers a call that does not reach the function.
func (f *Function) refuse(e *endpoint, m *nats.Msg, answer agentlink.Answer) {
	f.refused.Add(1)
	e.count(0, answer) // before the caller knows
	_ = reply(m, answer)
	f.events.add(m.Subject, 0, answer)
}

// answer answers a call and accounts for it.
func (f *Function) answer(e *endpoint, m *nats.Msg, took time.Duration, answer agentlink.Answer) {
	if answer.Status == 0 {
		if err := reply(m, answer); err != nil {
			answer = unsendable(answer, err)
		}
	}
	if answer.Status != 0 {
		// An error that cannot be sent either finds no connection to be sent on.
		_ = reply(m, answer)
	}
	f.latency.add(took)
	e.count(took, answer)
	f.events.add(m.Subject, took, answer)
}

func unsendable(answer agentlink.Answer, err error) agentlink.Answer {
	if errors.Is(err, nats.ErrMaxPayload) {
		return agentlink.Answer{Status: function.StatusTooLarge, Message: "the function's result has " + strconv.Itoa(len(answer.Payload)) + " bytes, more than the NATS server takes"}
	}
	return agentlink.Answer{Status: function.StatusFailed, Message: "the function's result could not be sent: " + err.Error()}
}

// reply sends an answer if one was asked for.
func reply(m *nats.Msg, answer agentlink.Answer) error {
	if m.Reply == "" {
		return nil
	}
	r := nats.Msg{Subject: m.Reply, Header: nats.Header(answer.Header), Data: answer.Payload}
	if answer.Status != 0 {
		r.Header = nats.Header{
			micro.ErrorCodeHeader: []string{strconv.Itoa(answer.Status)},
			micro.ErrorHeader:     []string{oneLine(answer.Message)},
		}
		r.Data = []byte(answer.Message)
	}
	return m.RespondMsg(&r)
}

// oneLine makes a text fit for a header.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
}
