package nex

import (
	"encoding/json"
	"fmt"
)

// The types of replies.
const (
	PingResponseType     = "io.nats.nex.v1.ping_response"
	AuctionResponseType  = "io.nats.nex.v1.auction_response"
	InfoResponseType     = "io.nats.nex.v1.info_response"
	RunResponseType      = "io.nats.nex.v1.run_response"
	StopResponseType     = "io.nats.nex.v1.stop_response"
	LogsResponseType     = "io.nats.nex.v1.logs_response"
	LameDuckResponseType = "io.nats.nex.v1.lameduck_response"
)

// ResponseType returns the type of the reply to an operation.
func ResponseType(op Op) string {
	switch op {
	case OpPing, OpWorkloadPing:
		return PingResponseType
	case OpAuction:
		return AuctionResponseType
	case OpInfo:
		return InfoResponseType
	case OpDeploy:
		return RunResponseType
	case OpStop:
		return StopResponseType
	case OpLogs:
		return LogsResponseType
	case OpLameDuck:
		return LameDuckResponseType
	}
	return ""
}

// MaxRequestBytes bounds the body of a request; a larger one is refused with
// [CodeRequestTooLarge] before it is parsed.
const MaxRequestBytes = 1 << 20

// envelope is the JSON form of every reply.
type envelope struct {
	Type  string `json:"type"`
	Data  any    `json:"data"`
	Error any    `json:"error"`
	Code  Code   `json:"code,omitempty"`
}

// EncodeReply returns the reply that carries data.
func EncodeReply(responseType string, data any) ([]byte, error) {
	return json.Marshal(envelope{Type: responseType, Data: data})
}

// EncodeError returns the reply that carries a failure: its message and its code.
func EncodeError(responseType string, err error) []byte {
	b, encodeErr := json.Marshal(envelope{Type: responseType, Error: err.Error(), Code: CodeOf(err)})
	if encodeErr != nil { // two strings and a code cannot fail to encode
		panic(encodeErr)
	}
	return b
}

// DecodeReply decodes a reply into data, which may be nil. A failure in the reply comes back as an
// [Error]; a reply of a version 1 node, which sends no code, as one with code [CodeInternal].
func DecodeReply(responseType string, body []byte, data any) error {
	var e struct {
		Type  string          `json:"type"`
		Data  json.RawMessage `json:"data"`
		Error json.RawMessage `json:"error"`
		Code  Code            `json:"code"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("the reply is not a control API reply: %w", err)
	}
	if message := errorText(e.Error); message != "" {
		if e.Code == "" {
			e.Code = CodeInternal
		}
		return &Error{Code: e.Code, Message: message}
	}
	if e.Type != responseType {
		return fmt.Errorf("the reply has type %q, not %q", clip(e.Type), responseType)
	}
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		return fmt.Errorf("the data of the %s reply is malformed: %w", responseType, err)
	}
	return nil
}

// errorText is the message in the error field of a reply: the string that it is, or the JSON of
// anything else. It is empty if there is no failure: the field is absent, null or "".
func errorText(field json.RawMessage) string {
	var text string
	if len(field) > 0 && json.Unmarshal(field, &text) != nil {
		return string(field)
	}
	return text
}
