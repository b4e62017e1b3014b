package wasm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// reader reads the parts of a WebAssembly binary. The first error stays and what is read after it is
// zero, so callers look at err when they are about to believe something.
type reader struct {
	b   []byte
	pos int
	err error
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
		r.pos = len(r.b)
	}
}

func (r *reader) byte() byte {
	if r.left() < 1 {
		r.fail("it ends too early")
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

// bytes returns the next n bytes, which stay part of the binary.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail("it ends too early: %d bytes are needed and %d left", n, r.left())
		return nil
	}
	b := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// u32 reads an unsigned number in LEB128.
func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.b[r.pos:min(len(r.b), r.pos+5)])
	if n <= 0 || v>>32 != 0 {
		if r.left() < 5 {
			r.fail("it ends too early")
		} else {
			r.fail("a number is too long")
		}
		return 0
	}
	r.pos += n
	return uint32(v)
}

// skipSigned skips a signed number in LEB128 of at most so many bytes.
func (r *reader) skipSigned(most int) {
	for range most {
		if r.byte()&0x80 == 0 {
			return
		}
	}
	r.fail("a number is too long")
}

// count reads the length of a vector whose elements take at least elementBytes each; most bounds it
// besides. So nobody reserves memory for elements that are not there.
func (r *reader) count(what string, most uint32, elementBytes int) uint32 {
	n := r.u32()
	switch {
	case n > most:
		r.fail("it has %d %s, more than %d", n, what, most)
	case uint64(n)*uint64(elementBytes) > uint64(r.left()):
		r.fail("it ends too early: there is no room for %d %s", n, what)
	default:
		return n
	}
	return 0
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail("a name is not UTF-8")
		return ""
	}
	return string(b)
}

// Instructions of constant expressions.
const (
	opEnd       = 0x0b
	opGlobalGet = 0x23
	opI32Const  = 0x41
	opI64Const  = 0x42
	opF32Const  = 0x43
	opF64Const  = 0x44
	opRefNull   = 0xd0
	opRefFunc   = 0xd2
	opVector    = 0xfd
)

// skipConstant skips a constant expression.
func (r *reader) skipConstant() {
	for r.err == nil {
		switch op := r.byte(); op {
		case opEnd:
			return
		case opGlobalGet, opRefFunc:
			r.u32()
		case opI32Const:
			r.skipSigned(5)
		case opI64Const:
			r.skipSigned(10)
		case opF32Const:
			r.bytes(4)
		case opF64Const:
			r.bytes(8)
		case opRefNull:
			r.byte()
		case opVector:
			r.u32()
			r.bytes(16)
		default:
			r.fail("a constant expression has the instruction 0x%02x", op)
		}
	}
}
