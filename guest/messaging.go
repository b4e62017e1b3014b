package guest

import "time"

// Messaging sends NATS messages.
var Messaging messaging

type messaging struct{}

// Message is a message to send, or an answer to one.
type Message struct {
	Subject string
	Header  Header
	Payload []byte
}

// ManyOptions say when RequestMany has enough answers: with the first condition that is met, or when
// Timeout has passed.
type ManyOptions struct {
	Timeout     time.Duration // of the whole; 0 takes the node's default
	MaxMessages int           // after so many; 0 means no such bound
	Stall       time.Duration // when after an answer none comes for so long; 0 means never
	Sentinel    bool          // at an answer without payload and headers, which is left out
}

type messageRequest struct {
	Subject   string `json:"subject"`
	Headers   Header `json:"headers,omitempty"`
	TimeoutMs int64  `json:"timeout_ms,omitempty"`
}

type manyRequest struct {
	messageRequest
	MaxMessages int   `json:"max_messages,omitempty"`
	StallMs     int64 `json:"stall_ms,omitempty"`
	Sentinel    bool  `json:"sentinel,omitempty"`
}

type messageAnswer struct {
	Subject string `json:"subject"`
	Headers Header `json:"headers"`
	Size    int    `json:"size"`
}

// milliseconds rounds up: what is not zero stays so.
func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// Publish sends a message.
func (messaging) Publish(m Message) error {
	_, err := ask("messaging", "publish", messageRequest{Subject: m.Subject, Headers: m.Header}, m.Payload, nil)
	return err
}

// Request sends a message and waits for the answer; a timeout of 0 takes the node's default. When
// nobody listens the error's code is CodeNoResponders.
func (messaging) Request(m Message, timeout time.Duration) (Message, error) {
	var answer messageAnswer
	payload, err := ask("messaging", "request",
		messageRequest{Subject: m.Subject, Headers: m.Header, TimeoutMs: milliseconds(timeout)}, m.Payload, &answer)
	if err != nil {
		return Message{}, err
	}
	return Message{Subject: answer.Subject, Header: answer.Headers, Payload: payload}, nil
}

// RequestMany sends a message and collects answers.
func (messaging) RequestMany(m Message, o ManyOptions) ([]Message, error) {
	var answer struct {
		Messages []messageAnswer `json:"messages"`
	}
	payloads, err := ask("messaging", "request_many", manyRequest{
		messageRequest: messageRequest{Subject: m.Subject, Headers: m.Header, TimeoutMs: milliseconds(o.Timeout)},
		MaxMessages:    o.MaxMessages, StallMs: milliseconds(o.Stall), Sentinel: o.Sentinel,
	}, m.Payload, &answer)
	if err != nil {
		return nil, err
	}
	return split(answer.Messages, payloads)
}

// split cuts the answers' payloads apart.
func split(answers []messageAnswer, payloads []byte) ([]Message, error) {
	messages := make([]Message, 0, len(answers))
	for _, a := range answers {
		if a.Size < 0 || a.Size > len(payloads) {
			return nil, &Error{Code: CodeInternal, Message: "the node's answer to messaging.request_many is malformed: the payloads are too short"}
		}
		messages = append(messages, Message{Subject: a.Subject, Header: a.Headers, Payload: payloads[:a.Size:a.Size]})
		payloads = payloads[a.Size:]
	}
	return messages, nil
}
