package wasm

import (
	"encoding/binary"
	"fmt"
)

// rewrite returns the module as it is compiled. It does what the original does, but:
//
//   - It can be stopped: see rewriteCode. For that it has one more global variable, and a memory with
//     no maximum of its own, whose limit is kept by linearMemory.
//   - Its tables have a maximum, since they are memory that no limit of linear memory counts.
//   - Of the custom sections it has the names of functions alone, for stacks.
func (m *module) rewrite() ([]byte, error) {
	code, err := m.rewriteCode()
	if err != nil {
		return nil, fmt.Errorf("section code: %w", err)
	}
	sections := m.sections
	sections[sectionCode] = code
	sections[sectionGlobal] = m.rewriteGlobals()
	sections[sectionMemory] = m.rewriteMemory()
	if sections[sectionTable] != nil {
		sections[sectionTable] = m.rewriteTables()
	}
	size := len(m.names) + 256
	for _, content := range sections {
		size += len(content)
	}
	out := make([]byte, 0, size)
	out = append(append(out, magic...), versionModule...)
	for _, id := range sectionOrder {
		if content := sections[id]; content != nil {
			out = appendSection(out, id, content)
		}
	}
	if m.names != nil {
		content := append(appendSized(nil, []byte("name")), 1)
		out = appendSection(out, sectionCustom, appendSized(content, m.names))
	}
	return out, nil
}

// rewriteGlobals appends the counter of function calls to the globals.
func (m *module) rewriteGlobals() []byte {
	r := &reader{b: m.sections[sectionGlobal]}
	if r.b != nil {
		r.u32()
	}
	out := appendNumber(nil, m.globals+1)
	out = append(out, r.b[r.pos:]...)
	return append(out, typeI32, 1, opI32Const, 0, opEnd) // mutable
}

// rewriteMemory declares a memory that may become as large as memories can.
func (m *module) rewriteMemory() []byte {
	return appendNumber([]byte{1, 0}, uint32(m.memoryMin/pageBytes))
}

func (m *module) rewriteTables() []byte {
	out := appendNumber(nil, uint32(len(m.tables)))
	for _, t := range m.tables {
		out = append(out, t.elementType, 1)
		out = appendNumber(appendNumber(out, t.min), t.max)
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
