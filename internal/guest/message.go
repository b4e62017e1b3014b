package guest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What a stream is for.
type operation string

const (
	opBoot      operation = "boot"
	opState     operation = "state"
	opStage     operation = "stage"
	opConfigure operation = "configure"

	opLink  operation = "link"
	opEnded operation = "ended"
)

// request begins a stream. Of the pointers it has the one that belongs to its operation.
type request struct {
	Op     operation `json:"op"`
	Boot   *Boot     `json:"boot,omitempty"`
	File   *file     `json:"file,omitempty"`
	Limits *Limits   `json:"limits,omitempty"`
	Exit   *Exit     `json:"exit,omitempty"`
}

// file is what is staged; its bytes follow.
type file struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// reply answers a request.
type reply struct {
	Error string `json:"error,omitempty"` // empty if all went well
	Path  string `json:"path,omitempty"`  // of a file that was staged
	State *State `json:"state,omitempty"`
}

// Bounds of messages, in bytes.
const (
	// maxRequest is for a boot document, whose bootstrap is in base64.
	maxRequest = 2*MaxBootstrap + 4096
	// maxReply is for an error, and for the names of all files.
	maxReply = 16 << 10
	maxError = 1024
	// maxWrite bounds what is written at once, and so a frame of yamux.
	maxWrite = 32 << 10
)

// writeMessage writes a message with its length.
func writeMessage(w io.Writer, message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	b = append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)
	for len(b) > 0 {
		n, err := w.Write(b[:min(len(b), maxWrite)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// readMessage reads a message that has at most most bytes.
func readMessage(r io.Reader, most int, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if int64(size) > int64(most) {
		return fmt.Errorf("a message has %d bytes, and may have %d", size, most)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return unexpected(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields() // what the other end relies on must not be passed over
	if err := decoder.Decode(message); err != nil {
		return fmt.Errorf("a message is malformed: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("a message is malformed: there is something after its end")
	}
	return nil
}

// readRequest reads a request, and checks that it has what belongs to it.
func readRequest(r io.Reader) (request, error) {
	var q request
	if err := readMessage(r, maxRequest, &q); err != nil {
		return request{}, err
	}
	if err := q.check(); err != nil {
		return request{}, fmt.Errorf("a message is malformed: %w", err)
	}
	return q, nil
}

func (q request) check() error {
	missing := fmt.Errorf("%s has not what belongs to it", q.Op)
	switch q.Op {
	case opState, opLink:
		return nil
	case opBoot:
		if q.Boot == nil {
			return missing
		}
		return q.Boot.check()
	case opStage:
		if q.File == nil {
			return missing
		}
		return q.File.check()
	case opConfigure:
		if q.Limits == nil {
			return missing
		}
		return q.Limits.check()
	case opEnded:
		if q.Exit == nil {
			return missing
		}
		return q.Exit.Check()
	}
	return errors.New("it asks for what is not known")
}

// readReply reads a reply. Its error is made fit to be printed.
func readReply(r io.Reader) (reply, error) {
	var a reply
	if err := readMessage(r, maxReply, &a); err != nil {
		return reply{}, err
	}
	if a.State != nil {
		if err := a.State.check(); err != nil {
			return reply{}, fmt.Errorf("a message is malformed: %w", err)
		}
	}
	if !printable(a.Path) {
		return reply{}, errors.New("a message is malformed: a path is none")
	}
	a.Error = clean(a.Error)
	return a, nil
}

// clean makes what a VM says fit for a log.
func clean(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\uFFFD' {
			return ' '
		}
		return c
	}, s[:min(len(s), maxError)])
	return strings.ToValidUTF8(s, "")
}

// unexpected makes the end of what is read before its time an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
