package wasm

import (
	"fmt"
	"slices"
)

// checkEvery is after how many iterations of a loop, or calls of functions, code looks whether it is to
// end; a power of two.
const checkEvery = 4096

// bulk is how many bytes, or entries of tables, are much for one instruction.
const bulk = 64 << 10

// Instructions that rewriteCode writes or has to know.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opBranch       = 0x0c
	opBranchIf     = 0x0d
	opBranchTable  = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalTee     = 0x22
	opGlobalSet    = 0x24
	opTableSet     = 0x26
	opFirstLoad    = 0x28
	opLastStore    = 0x3e
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32EqZ       = 0x45 // the first of the instructions without operands in the code
	opI32GeU       = 0x4f
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32And       = 0x71
	opLastNumeric  = 0xc4
	opRefIsNull    = 0xd1
	opMisc         = 0xfc

	typeI32    = 0x7f
	blockEmpty = 0x40
)

// rewriteCode returns the code section with checks in it.
//
// An instance runs machine code that nothing can interrupt from outside. So every loop counts its
// iterations, in one more local variable of the function, and functions that call others count how
// often they are called, in the global variable that rewriteGlobals adds; without that, a function that
// calls itself twice could run for years. Each time a count is a multiple of checkEvery, and before an
// instruction that fills or copies much, the code wants its memory to grow to checkSize. That it never gets; but for growing the engine leaves the machine code,
// which lets Go's garbage collector do its work, and asks linearMemory, which ends the call if it is
// over.
func (m *module) rewriteCode() ([]byte, error) {
	content := m.sections[sectionCode]
	if content == nil {
		return nil, nil
	}
	defined := m.functions[m.imported:]
	enter := m.checkOnEntry()
	out := make([]byte, 0, len(content)+len(content)/2)
	out = appendNumber(out, uint32(len(defined)))
	var body []byte
	r := &reader{b: content}
	n := 0
	for b := range r.bodies() {
		if n == len(defined) {
			return nil, fmt.Errorf("there are more than the %d functions that are declared", n)
		}
		local := len(m.typeOf(defined[n]).params) + b.locals // the first that there is not yet
		n++
		body = append(appendNumber(body[:0], b.groups+1), b.declarations...)
		body = append(body, 2, typeI32)
		declared := len(body)
		body = append(body, enter...)
		code := &reader{b: b.code}
		calls := false
		if body, calls = code.appendChecked(body, uint32(local)); code.err != nil {
			return nil, fmt.Errorf("function %d: %w", n-1, code.err)
		}
		if !calls { // it ends soon, or is in a loop
			body = slices.Delete(body, declared, declared+len(enter))
		}
		out = appendSized(out, body)
	}
	if r.err == nil && n < len(defined) {
		return nil, fmt.Errorf("there are %d functions of %d that are declared", n, len(defined))
	}
	return out, r.err
}

// appendChecked appends code with its checks, and reports whether the code calls functions. There are two
// local variables for the checks, from the one with the index on.
func (r *reader) appendChecked(out []byte, local uint32) (_ []byte, calls bool) {
	check, checkBulk := checkInLoop(local), checkBulk(local+1)
	done := 0
	for r.left() > 0 {
		at := r.pos
		switch op := r.byte(); op {
		case opLoop:
			r.skipSigned(5)
			out = append(out, r.b[done:r.pos]...)
			out = append(out, check...)
			done = r.pos
		case opMisc:
			if isBulk(r.u32()) {
				out = append(out, r.b[done:at]...)
				out = append(out, checkBulk...)
				done = at
			}
			r.pos = at + 1
			r.skipMisc()
		case opCall, opCallIndirect:
			calls = true
			r.skipOperands(op)
		default:
			r.skipOperands(op)
		}
	}
	return append(out, r.b[done:]...), calls
}

// wantCheckSize is code that asks linearMemory whether it is to end.
var wantCheckSize = append(
	appendConstant(nil, maxPages),
	opMemorySize, 0, opI32Sub, opMemoryGrow, 0, opDrop,
)

// checkInLoop is code that counts a local variable up.
func checkInLoop(counter uint32) []byte {
	local := appendNumber(nil, counter)
	return slices.Concat(
		[]byte{opLocalGet}, local, []byte{opI32Const, 1, opI32Add, opLocalTee}, local,
		appendConstant(nil, checkEvery-1), []byte{opI32And, opI32EqZ, opIf, blockEmpty}, wantCheckSize, []byte{opEnd},
	)
}

// checkBulk is code that checks if the number on the stack, of which it makes a local variable too, is
// at least bulk.
func checkBulk(length uint32) []byte {
	local := appendNumber(nil, length)
	return slices.Concat(
		[]byte{opLocalTee}, local, []byte{opLocalGet}, local,
		appendConstant(nil, bulk), []byte{opI32GeU, opIf, blockEmpty}, wantCheckSize, []byte{opEnd},
	)
}

// isBulk reports whether an instruction of the group 0xfc takes longer the larger its last operand is.
func isBulk(op uint32) bool {
	return op == 8 || op >= 10 && op <= 12 || op == 14 || op == 15 || op == 17
}

// checkOnEntry is code that counts the global variable up.
func (m *module) checkOnEntry() []byte {
	global := appendNumber(nil, m.globals)
	return slices.Concat(
		[]byte{opGlobalGet}, global, []byte{opI32Const, 1, opI32Add, opGlobalSet}, global,
		[]byte{opGlobalGet}, global,
		appendConstant(nil, checkEvery-1), []byte{opI32And, opI32EqZ, opIf, blockEmpty}, wantCheckSize, []byte{opEnd},
	)
}

// appendConstant appends a constant, a number that is not negative, as a signed number: its highest bit
// must not be set.
func appendConstant(out []byte, n uint32) []byte {
	out = appendNumber(append(out, opI32Const), n)
	if last := len(out) - 1; out[last]&0x40 != 0 {
		out[last] |= 0x80
		out = append(out, 0)
	}
	return out
}

// skipOperands skips what follows an instruction in the code.
func (r *reader) skipOperands(op byte) {
	switch {
	case op == opBlock, op == opIf:
		r.skipSigned(5)
	case op == opBranch, op == opBranchIf, op == opCall, op == opRefFunc, op >= opLocalGet && op <= opTableSet:
		r.u32()
	case op == opBranchTable:
		for range r.count("branches", maxBranches, 1) {
			r.u32()
		}
		r.u32()
	case op == opCallIndirect, op >= opFirstLoad && op <= opLastStore:
		r.u32()
		r.u32()
	case op == opSelectTyped:
		r.bytes(r.count("types", maxParameters, 1))
	case op == opMemorySize, op == opMemoryGrow, op == opRefNull:
		r.byte()
	case op == opI32Const:
		r.skipSigned(5)
	case op == opI64Const:
		r.skipSigned(10)
	case op == opF32Const:
		r.bytes(4)
	case op == opF64Const:
		r.bytes(8)
	case op == opMisc:
		r.skipMisc()
	case op == opVector:
		r.skipVector()
	case op == opUnreachable, op == opNop, op == opElse, op == opEnd, op == opReturn, op == opDrop, op == opSelect,
		op == opRefIsNull, op >= opI32EqZ && op <= opLastNumeric:
	default:
		r.fail("the instruction 0x%02x is not supported", op)
	}
}

// skipMisc skips the rest of an instruction of the group 0xfc.
func (r *reader) skipMisc() {
	switch op := r.u32(); {
	case op <= 7: // conversions that do not trap
	case op == 8: // memory.init
		r.u32()
		r.byte()
	case op == 9, op == 11, op == 13, op >= 15 && op <= 17: // data.drop, memory.fill, elem.drop, table.grow, size, fill
		r.u32()
	case op == 10, op == 12, op == 14: // memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	default:
		r.fail("the instruction 0x%02x %d is not supported", opMisc, op)
	}
}

// skipVector skips the rest of an instruction of the group 0xfd.
func (r *reader) skipVector() {
	switch op := r.u32(); {
	case op <= 11, op == 92, op == 93: // loads and stores
		r.u32()
		r.u32()
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		r.bytes(16)
	case op >= 21 && op <= 34: // lanes
		r.byte()
	case op >= 84 && op <= 91: // loads and stores of lanes
		r.u32()
		r.u32()
		r.byte()
	case op > 255:
		r.fail("the instruction 0x%02x %d is not supported", opVector, op)
	}
}
