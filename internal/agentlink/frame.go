package agentlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// Frames are what calls and host service requests travel in. They are binary so that a payload costs
// one copy, and a call without headers no map.

// Frames keeps buffers for frames between their uses: publishing copies them.
type Frames struct{ pool sync.Pool }

// keptFrame is the size beyond which a buffer is not kept.
const keptFrame = 64 << 10

// Get returns an empty buffer.
func (f *Frames) Get() *[]byte {
	if b, ok := f.pool.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// Put takes a buffer back, which the caller uses no more.
func (f *Frames) Put(b *[]byte) {
	if cap(*b) <= keptFrame {
		*b = (*b)[:0]
		f.pool.Put(b)
	}
}

func appendUint(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendHeader(b []byte, h function.Header) []byte {
	pairs := 0
	for _, values := range h {
		pairs += len(values)
	}
	b = appendUint(b, uint64(pairs))
	for name, values := range h {
		for _, value := range values {
			b = appendString(b, name)
			b = appendString(b, value)
		}
	}
	return b
}

// parser takes a frame apart. After the first mistake everything it returns is empty.
type parser struct {
	rest []byte
	err  error
}

// errTruncated is what is wrong with most frames that are.
var errTruncated = errors.New("it is truncated")

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.rest = nil
}

// finish returns the first mistake.
func (p *parser) finish(what string) error {
	if p.err != nil {
		return fmt.Errorf("agent link: malformed %s: %w", what, p.err)
	}
	return nil
}

func (p *parser) uint() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.fail(errTruncated)
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) duration() time.Duration { return time.Duration(min(p.uint(), math.MaxInt64)) }

// bytes returns a part of the frame, nil if it is empty.
func (p *parser) bytes() []byte {
	n := p.uint()
	if n > uint64(len(p.rest)) {
		p.fail(errTruncated)
		return nil
	}
	if n == 0 {
		return nil
	}
	part := p.rest[:n:n]
	p.rest = p.rest[n:]
	return part
}

func (p *parser) string() string { return string(p.bytes()) }

// status is 0 or that of a [function.Error].
func (p *parser) status() int {
	n := p.uint()
	if n != 0 && (n < 400 || n > 599) {
		p.fail(fmt.Errorf("%d is no status", n))
		return 0
	}
	return int(n)
}

// header parses a header, each pair of which check takes or refuses.
func (p *parser) header(check func(name, value string) error) function.Header {
	pairs := p.uint()
	if pairs > uint64(len(p.rest))/2 { // a pair takes two bytes at least
		p.fail(errTruncated)
		return nil
	}
	if pairs == 0 {
		return nil
	}
	h := make(function.Header, min(pairs, 16))
	for range pairs {
		name, value := p.string(), p.string()
		if p.err == nil {
			p.err = check(name, value)
		}
		if p.err != nil {
			p.rest = nil
			return nil
		}
		h[name] = append(h[name], value)
	}
	return h
}

// ErrHeadersTooLarge means that the headers of an answer are larger than they may be together.
var ErrHeadersTooLarge = fmt.Errorf("its headers are larger than %d bytes", maxAnswerHeader)

// maxAnswerHeader bounds the bytes of the headers of an answer.
const maxAnswerHeader = 64 << 10

// CheckAnswerHeader returns an error if an answer cannot carry the header: a message cannot, it is for
// NATS servers and clients to set, or all headers together are too large.
func CheckAnswerHeader(h function.Header) error {
	c := answerHeader{left: maxAnswerHeader}
	for name, values := range h {
		for _, value := range values {
			if err := c.check(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// answerHeader checks the headers of one answer, one after the other.
type answerHeader struct{ left int }

func (c *answerHeader) check(name, value string) error {
	c.left -= len(name) + len(value)
	lower := strings.ToLower(name)
	switch {
	case c.left < 0:
		return ErrHeadersTooLarge
	case strings.HasPrefix(lower, "nats-trace-"): // a server publishes where they say
		return fmt.Errorf("the header %s is for NATS", name)
	case lower == "status" || lower == "description": // clients take them for what the server says
		return fmt.Errorf("the header %s is for NATS", name)
	}
	return checkHeader(name, value)
}

// checkHeader returns an error if a NATS message cannot carry the header.
func checkHeader(name, value string) error {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == ':' {
			return fmt.Errorf("the header name %q has a character that it may not have", name)
		}
	}
	switch {
	case name == "":
		return errors.New("a header has no name")
	case strings.ContainsAny(value, "\r\n\x00"):
		return fmt.Errorf("the value of header %s has a line break or NUL character", name)
	}
	return nil
}
