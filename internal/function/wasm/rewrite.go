package wasm

import (
	"encoding/binary"
	"slices"
)

// countdown is how many calls of functions an instance makes between two looks at whether it is to end.
const countdown = 4096

// rewrite returns the module as it is compiled. It does what the original does, but:
//
//   - It can be stopped. The compiler's code looks in loops alone whether it is to end, and only there
//     can Go's garbage collector interrupt it; without loops, a function that calls itself twice can run
//     for years. So every function begins with counting down a global variable and passes through an
//     empty loop when it reaches zero.
//   - Its tables have a maximum, since they are memory that no limit of linear memory counts.
//   - Of the custom sections it has the names of functions alone, for stacks.
func (m *module) rewrite() []byte {
	size := 0
	for _, content := range m.sections {
		size += len(content)
	}
	prologue := m.prologue()
	// A prologue and what the sizes of section and function grow by, for each function.
	out := make([]byte, 0, size+size/8+len(m.names)+(len(prologue)+4)*len(m.functions)+256)
	out = append(append(out, magic...), versionModule...)
	for _, id := range sectionOrder {
		content := m.sections[id]
		switch {
		case id == sectionGlobal && m.sections[sectionCode] != nil:
			content = m.rewriteGlobals()
		case content == nil:
			continue
		case id == sectionTable:
			content = m.rewriteTables()
		case id == sectionCode:
			content = m.rewriteCode(prologue)
		}
		out = appendSection(out, id, content)
	}
	if m.names != nil {
		content := appendSized(nil, []byte("name"))
		content = append(content, 1)
		out = appendSection(out, sectionCustom, appendSized(content, m.names))
	}
	return out
}

// rewriteGlobals appends the countdown to the globals.
func (m *module) rewriteGlobals() []byte {
	r := &reader{b: m.sections[sectionGlobal]}
	if r.b != nil {
		r.u32()
	}
	out := appendNumber(nil, m.globals+1)
	out = append(out, r.b[r.pos:]...)
	out = append(out, typeI32, 1) // mutable
	return append(appendCountdown(out), opEnd)
}

func (m *module) rewriteTables() []byte {
	out := appendNumber(nil, uint32(len(m.tables)))
	r := &reader{b: m.sections[sectionTable]}
	for range r.u32() {
		elementType, flags, least := r.byte(), r.byte(), r.u32()
		most := uint32(maxTableEntries)
		if flags == 1 {
			most = min(most, r.u32())
		}
		out = append(out, elementType, 1)
		out = appendNumber(appendNumber(out, least), most)
	}
	return out
}

func (m *module) rewriteCode(prologue []byte) []byte {
	content := m.sections[sectionCode]
	r := &reader{b: content}
	count := r.u32()
	out := make([]byte, 0, len(content)+int(count)*(len(prologue)+2)+8)
	out = appendNumber(out, count)
	readBodies(&reader{b: content}, func(locals, rest []byte) {
		out = appendNumber(out, uint32(len(locals)+len(prologue)+len(rest)))
		out = append(out, locals...)
		out = append(out, prologue...)
		out = append(out, rest...)
	})
	return out
}

const (
	typeI32     = 0x7f
	typeI64     = 0x7e
	opLoop      = 0x03
	opIf        = 0x04
	opGlobalSet = 0x24
	opI32EqZ    = 0x45
	opI32Sub    = 0x6b
	blockEmpty  = 0x40
)

// prologue is what every function begins with.
func (m *module) prologue() []byte {
	global := appendNumber(nil, m.globals)
	get := append([]byte{opGlobalGet}, global...)
	set := append([]byte{opGlobalSet}, global...)
	return slices.Concat(
		get, []byte{opI32Const, 1, opI32Sub}, set,
		get, []byte{opI32EqZ, opIf, blockEmpty, opLoop, blockEmpty, opEnd},
		appendCountdown(nil), set,
		[]byte{opEnd},
	)
}

// appendCountdown appends the instruction that is the number countdown, which is positive: its signed
// form must not end with a set sign bit.
func appendCountdown(out []byte) []byte {
	out = appendNumber(append(out, opI32Const), countdown)
	if out[len(out)-1]&0x40 != 0 {
		out[len(out)-1] |= 0x80
		out = append(out, 0)
	}
	return out
}

func appendNumber(out []byte, n uint32) []byte { return binary.AppendUvarint(out, uint64(n)) }

func appendSized(out, content []byte) []byte {
	return append(appendNumber(out, uint32(len(content))), content...)
}

func appendSection(out []byte, id byte, content []byte) []byte {
	return appendSized(append(out, id), content)
}
