package trigger

import (
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
)

// deliver answers a call and accounts for it.
func (f *Function) deliver(l letter) {
	if l.answer.Status == 0 {
		if err := reply(l.message, l.answer); err != nil {
			l.answer = unsendable(l.answer, err)
		}
	}
	l.endpoint.count(l) // before the caller knows of an error
	if l.answer.Status != 0 {
		// An error that cannot be sent either finds no connection to be sent on.
		_ = reply(l.message, l.answer)
	}
	if !l.refused {
		f.latency.add(l.took)
	}
	f.events.add(l.message.Subject, l.took, l.answer)
}

func unsendable(answer agentlink.Answer, err error) agentlink.Answer {
	if errors.Is(err, nats.ErrMaxPayload) {
		return agentlink.Answer{Status: function.StatusTooLarge, Message: "the function's result has " + strconv.Itoa(len(answer.Payload)) + " bytes, which are with its headers more than the NATS server takes"}
	}
	return agentlink.Answer{Status: function.StatusFailed, Message: "the function's result could not be sent: " + err.Error()}
}

// reply sends an answer if one was asked for.
func reply(m *nats.Msg, answer agentlink.Answer) error {
	if !nex.MayAnswer(m.Reply) {
		return nil
	}
	r := nats.Msg{Subject: m.Reply, Header: nats.Header(answer.Header), Data: answer.Payload}
	if answer.Status != 0 {
		sentence := oneLine(answer.Message)
		r.Header = nats.Header{
			micro.ErrorCodeHeader: []string{strconv.Itoa(answer.Status)},
			micro.ErrorHeader:     []string{sentence},
		}
		r.Data = []byte(sentence)
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
