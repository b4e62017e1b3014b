package agentlink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Kind says what a frame of a Stream is.
type Kind byte

// The kinds of frames.
const (
	KindTrigger Kind = 'T' // node to agent: [AppendTrigger]
	KindAnswer  Kind = 'A' // agent to node: [AppendAnswer]
	// KindSync has no body. The agent sends one when it wants to know that all its answers were taken;
	// the node sends one back.
	KindSync Kind = 'S'
)

// Stream carries calls and answers between node and agent, on a connection of their own: a server in
// between would cost a call more than the function does. What is sent while the connection is busy goes
// out together.
//
// On the connection a frame is its length, four bytes with the highest first, its kind, one byte that
// the length counts, and its body. A Stream is safe for concurrent use.
type Stream struct {
	conn    net.Conn
	direct  tryWriter     // nil where there is none
	wake    chan struct{} // has a token when there is something to write, or to end
	written chan struct{} // closed when nothing more is written

	most int // bytes that may wait to be written

	mu      sync.Mutex
	out     *[]byte // frames that wait to be written; nil when none do
	syncs   bool    // a KindSync is among them
	writing bool    // somebody is writing what waited before
	closed  bool
}

// tryWriter writes to a connection without waiting. It is for one caller at a time, while nobody else
// writes to the connection.
type tryWriter interface {
	// tryWrite returns how much of b was written.
	tryWrite(b []byte) int
}

var (
	// ErrStreamClosed means that a Stream carries nothing more.
	ErrStreamClosed = errors.New("agent link: the stream of calls is closed")
	// ErrFrameTooLarge means that a frame is larger than [MaxFrameBytes], and was not sent.
	ErrFrameTooLarge = fmt.Errorf("agent link: a frame is larger than %d bytes", MaxFrameBytes)
	// ErrMalformed means that what was received is no frame.
	ErrMalformed = errors.New("agent link: malformed frame")
)

const (
	frameHead = 5 // length and kind
	// keptBatch is the size beyond which the buffer of a batch is not kept.
	keptBatch = 1 << 20
	// readBuffer holds many small calls, which then take one system call.
	readBuffer = 32 << 10
	// lastWrite bounds how long Close waits for the other end to take what was sent.
	lastWrite = time.Second
)

// batches are buffers between their uses, of all streams.
var batches = sync.Pool{New: func() any { return new([]byte) }}

// NewStream makes a Stream of a connection, which it then owns. The caller closes the Stream. It ends by
// itself when the other end lets more than most bytes wait, which is at least [MaxFrameBytes].
func NewStream(conn net.Conn, most int) *Stream {
	s := &Stream{
		conn: conn, direct: directWriter(conn), most: max(most, MaxFrameBytes+frameHead),
		wake: make(chan struct{}, 1), written: make(chan struct{}),
	}
	go s.write() // ends with Close, or with the connection
	return s
}

// SendTrigger sends a call; it does not wait for that. The only one under way is sent at once; others,
// which may be followed by more, a little later and together.
func (s *Stream) SendTrigger(t Trigger, only bool) error {
	return s.send(KindTrigger, only, func(b []byte) []byte { return AppendTrigger(b, t) })
}

// SendAnswer sends an answer; it does not wait for that. The last one under way is sent at once.
func (s *Stream) SendAnswer(a Answer, last bool) error {
	return s.send(KindAnswer, last, func(b []byte) []byte { return AppendAnswer(b, a) })
}

// SendSync sends a frame of kind KindSync, unless one waits to be sent already; it does not wait for that.
func (s *Stream) SendSync() error {
	return s.send(KindSync, false, func(b []byte) []byte { return b })
}

func (s *Stream) send(kind Kind, now bool, body func([]byte) []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrStreamClosed
	}
	if kind == KindSync {
		if s.syncs {
			return nil
		}
		s.syncs = true
	}
	first := s.out == nil
	if first {
		s.out = batches.Get().(*[]byte)
	}
	start := len(*s.out)
	*s.out = body(append(*s.out, 0, 0, 0, 0, byte(kind)))
	size := len(*s.out) - start - frameHead
	if size > MaxFrameBytes {
		*s.out = (*s.out)[:start]
		if first {
			s.out = nil
		}
		return ErrFrameTooLarge
	}
	binary.BigEndian.PutUint32((*s.out)[start:], uint32(size+1))
	if len(*s.out) > s.most { // the other end does not read
		s.closed, s.out = true, nil
		s.conn.Close()
		s.signal()
		return ErrStreamClosed
	}
	if first && !s.writing && !(now && s.writeNowLocked()) {
		s.signal()
	}
	return nil
}

// writeNowLocked writes what waits as far as that goes without waiting, and reports whether that was all.
// It saves the change to another goroutine, which takes longer than writing.
func (s *Stream) writeNowLocked() bool {
	if s.direct == nil {
		return false
	}
	n := s.direct.tryWrite(*s.out)
	if n < len(*s.out) {
		*s.out = (*s.out)[:copy(*s.out, (*s.out)[n:])]
		return false
	}
	recycle(s.out)
	s.out, s.syncs = nil, false
	return true
}

func recycle(batch *[]byte) {
	if cap(*batch) <= keptBatch {
		*batch = (*batch)[:0]
		batches.Put(batch)
	}
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// write writes what was sent, all that waits at once.
func (s *Stream) write() {
	defer close(s.written)
	defer s.conn.Close()
	for {
		batch, closed := s.take()
		switch {
		case batch != nil:
			if _, err := s.conn.Write(*batch); err != nil {
				s.end()
				return
			}
			recycle(batch)
		case closed:
			return
		default:
			<-s.wake
		}
	}
}

// take takes what waits.
func (s *Stream) take() (batch *[]byte, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch, s.out, s.syncs = s.out, nil, false
	s.writing = batch != nil
	return batch, s.closed
}

// end lets nothing more be sent, and reports whether that was so before.
func (s *Stream) end() (already bool) {
	s.mu.Lock()
	already, s.closed = s.closed, true
	s.mu.Unlock()
	s.signal()
	return already
}

// Receive calls handle with one frame after the other until the Stream ends, and returns why: io.EOF
// when the other end has closed it. The body is the handler's own.
func (s *Stream) Receive(handle func(kind Kind, body []byte)) error {
	r := bufio.NewReaderSize(s.conn, readBuffer)
	for {
		kind, body, err := readFrame(r)
		if err != nil {
			return err
		}
		handle(kind, body)
	}
}

// readFrame reads one frame. What the other end says of a length is not believed before the bytes come.
func readFrame(r io.Reader) (Kind, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 1 || length > MaxFrameBytes+1 {
		return 0, nil, fmt.Errorf("%w: its length is %d", ErrMalformed, length)
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, nil, unexpected(err)
	}
	kind, size := Kind(head[4]), int(length-1)
	if size == 0 {
		return kind, nil, nil
	}
	if size <= trustedFrame {
		body := make([]byte, size)
		_, err := io.ReadFull(r, body)
		return kind, body, unexpected(err)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err == nil && len(body) < size {
		err = io.ErrUnexpectedEOF
	}
	return kind, body, err
}

// trustedFrame is the size up to which memory is taken for a frame before it has come.
const trustedFrame = 1 << 20

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close sends what waits and ends the Stream. It returns when that is done, at the latest after a
// second.
func (s *Stream) Close() {
	if !s.end() {
		_ = s.conn.SetWriteDeadline(time.Now().Add(lastWrite)) // it fails for a connection that is gone
	}
	<-s.written
}
