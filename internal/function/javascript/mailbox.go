//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"encoding/binary"
	"math"

	v8 "github.com/tommie/v8go"
)

// mailbox is memory that an isolate and the Go side share: the contents of a SharedArrayBuffer. It
// carries payloads and all else that is more than a number, so that entering the isolate needs no
// values, each of which would cost about as much as the call of a small function.
//
// It begins with eight 32-bit words and four 64-bit floating-point numbers; from mailboxData on it is
// data. The file coremailbox.js has the same layout.
type mailbox struct {
	bytes   []byte
	release func()
}

// Words of the mailbox.
const (
	wordOp     = iota // what the isolate is to do
	wordStatus        // how far the call is
	wordA             // lengths
	wordB
	wordC
	wordD
	wordNeed // how large the mailbox has to be
	wordID   // of a request
)

// Numbers of the mailbox. Times are in milliseconds.
const (
	numberNow      = iota // since the isolate was made
	numberNext            // when the next timer is due, on the same clock; +Inf without one
	numberDeadline        // of the call, since the epoch
	numberSize            // of a result that is too large
)

const (
	mailboxNumbers = 32
	mailboxData    = 64
	// mailboxSize is the size of the data of a new mailbox, and what is kept of a larger one when its
	// isolate is idle.
	mailboxSize = 64 << 10
)

// What the isolate is to do.
const (
	opCall = 1 + iota
	opTimer
	opComplete
	opResize
	opGC
)

// How far the call is.
const (
	statusPending = iota
	statusDone
	statusFailed
	statusLarge
)

// attach makes the buffer the mailbox.
func (m *mailbox) attach(buffer *v8.Value) error {
	bytes, release, err := buffer.SharedArrayBufferGetContents()
	if err != nil {
		return err
	}
	m.detach()
	m.bytes, m.release = bytes, release
	return nil
}

// detach gives the memory up. The isolate may keep it.
func (m *mailbox) detach() {
	if m.release != nil {
		m.release()
	}
	m.bytes, m.release = nil, nil
}

func (m *mailbox) data() []byte { return m.bytes[mailboxData:] }

func (m *mailbox) word(i int) int {
	return int(int32(binary.NativeEndian.Uint32(m.bytes[4*i:])))
}

func (m *mailbox) setWord(i, v int) {
	binary.NativeEndian.PutUint32(m.bytes[4*i:], uint32(int32(v)))
}

func (m *mailbox) number(i int) float64 {
	return math.Float64frombits(binary.NativeEndian.Uint64(m.bytes[mailboxNumbers+8*i:]))
}

func (m *mailbox) setNumber(i int, v float64) {
	binary.NativeEndian.PutUint64(m.bytes[mailboxNumbers+8*i:], math.Float64bits(v))
}
