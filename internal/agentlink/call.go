package agentlink

import (
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// Bounds of calls and host service requests. What does not fit is refused where it comes from, with a
// sentence, and never sent.
const (
	// MaxPayloadBytes bounds the payload of a call, of its result, and of what a host service takes
	// and gives.
	MaxPayloadBytes = 8 << 20
	// MaxFrameBytes bounds a frame: the payload with what describes it.
	MaxFrameBytes = MaxPayloadBytes + 256<<10
)

// Trigger is one call of a function on its way to the agent.
type Trigger struct {
	// Number is the node's for the call; the answer carries it.
	Number uint64
	// ID is unique; it names the call in logs.
	ID      string
	Subject string // concrete
	// Timeout is what is left of the time that the call has. It is no point in time, since the clocks
	// of node and agent may differ.
	Timeout time.Duration
	Header  function.Header
	Payload []byte
}

// Answer is how a call ended.
type Answer struct {
	Number uint64 // of the Trigger
	// Status is 0 for a result and otherwise that of a [function.Error].
	Status  int
	Message string // what went wrong
	Header  function.Header
	Payload []byte
}

// AppendTrigger appends the frame of t to b:
//
//	number | timeout in nanoseconds | id | subject | header | payload
//
// Numbers are unsigned varints as in encoding/binary, strings a number of bytes and then the bytes, a
// header a number of pairs and then a name and a value each, and the payload the rest of the frame.
func AppendTrigger(b []byte, t Trigger) []byte {
	b = appendUint(b, t.Number)
	b = appendUint(b, uint64(max(t.Timeout, 0)))
	b = appendString(b, t.ID)
	b = appendString(b, t.Subject)
	b = appendHeader(b, t.Header)
	return append(b, t.Payload...)
}

// ParseTrigger is the inverse of AppendTrigger. Its payload is part of b.
func ParseTrigger(b []byte) (Trigger, error) {
	p := parser{rest: b}
	t := Trigger{Number: p.uint(), Timeout: p.duration(), ID: p.string(), Subject: p.string(), Header: p.header(checkHeader)}
	t.Payload = p.rest
	return t, p.finish("call")
}

// AppendAnswer appends the frame of a to b:
//
//	number | status | message | header | payload
func AppendAnswer(b []byte, a Answer) []byte {
	b = appendUint(b, a.Number)
	b = appendUint(b, uint64(max(a.Status, 0)))
	b = appendString(b, a.Message)
	b = appendHeader(b, a.Header)
	return append(b, a.Payload...)
}

// ParseAnswer is the inverse of AppendAnswer. Its payload is part of b. With an error, the answer has no
// more than its number, 0 if that cannot be read either. A status is 0 or from 400 to
// 599, and a header as [CheckAnswerHeader] has it.
func ParseAnswer(b []byte) (Answer, error) {
	p := parser{rest: b}
	headers := answerHeader{left: maxAnswerHeader}
	a := Answer{Number: p.uint(), Status: p.status(), Message: p.string(), Header: p.header(headers.check)}
	a.Payload = p.rest
	if err := p.finish("answer"); err != nil {
		return Answer{Number: a.Number}, err
	}
	return a, nil
}
