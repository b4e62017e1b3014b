package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxMessage is how long a message of QEMU may be. What it answers to our commands has some hundred bytes.
const maxMessage = 256 << 10

// message is one of QEMU's: a greeting, an event, or the answer to a command, which has a return or an error.
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
	ID       *uint64         `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *complaint      `json:"error"`
}

// complaint is why a command has failed.
type complaint struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

var errNoMessage = errors.New("QEMU has sent what is no message")

// parseMessage parses a line of QEMU's.
func parseMessage(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("%w: %w", errNoMessage, err)
	}
	kinds := 0
	for _, is := range []bool{m.Greeting != nil, m.Event != "", m.Return != nil, m.Error != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return message{}, errNoMessage
	}
	return m, nil
}

// failure is the error of an answer, or nil.
func (m message) failure() error {
	if m.Error == nil {
		return nil
	}
	return fmt.Errorf("%.500s", m.Error.Desc)
}
