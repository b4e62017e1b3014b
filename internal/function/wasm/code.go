package wasm

// checkEvery is after how many iterations of a loop, or calls of functions, code looks whether it is to
// end; a power of two.
const checkEvery = 4096

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
// calls itself twice could run for years. Each time a count has reached checkEvery the code wants its
// memory to grow to checkSize. That it never gets; but for growing the engine leaves the machine code,
// which lets Go's garbage collector do its work, and asks linearMemory, which ends the call if it is
// over.
func (m *module) rewriteCode() ([]byte, error) {
	content := m.sections[sectionCode]
	if content == nil {
		return nil, nil
	}
	r := &reader{b: content}
	count := r.u32()
	out := make([]byte, 0, len(content)+len(content)/2)
	out = appendNumber(out, count)

	enter := m.checkOnEntry()
	defined := m.functions[len(m.functions)-len(m.defined()):]
	index := 0
	var body []byte
	r = &reader{b: content}
	r.bodies(func(b functionBody) {
		if index >= len(defined) {
			r.fail("it has more functions than are declared")
			return
		}
		params := len(m.typeOf(defined[index]).params)
		index++
		counter := uint32(params + b.locals)
		body = appendNumber(body[:0], b.groups+1)
		body = append(body, b.declarations...)
		body = append(body, 1, typeI32)
		start := len(body)
		body = append(body, enter...)
		var calls bool
		if body, calls = appendChecked(r, body, b.code, counter); !calls {
			body = append(body[:start], body[start+len(enter):]...)
		}
		out = appendSized(out, body)
	})
	return out, r.err
}
