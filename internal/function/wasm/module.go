package wasm

import (
	"bytes"
	"fmt"
	"slices"
)

// Implementation limits, about those of browsers. What reaches them is no program but an attempt.
const (
	maxModuleBytes  = 256 << 20
	maxTypes        = 1_000_000
	maxParameters   = 1_000
	maxImports      = 100_000
	maxFunctions    = 1_000_000
	maxTables       = 100
	maxTableEntries = 1_000_000
	maxGlobals      = 1_000_000
	maxExports      = 1_000_000
	maxSegments     = 100_000
	maxElements     = 1_000_000
	maxMemory       = 1<<32 - pageBytes // the very last page is not to be had: see checkSize
	maxBranches     = 1_000_000         // of one instruction
	maxLocals       = 50_000            // of one function
	maxAllLocals    = 10_000_000        // of all functions
)

// Ids of sections.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
)

// sectionNames are for errors; sectionOrder is the order in a file.
var (
	sectionNames = []string{
		"custom", "type", "import", "function", "table", "memory", "global", "export", "start",
		"element", "code", "data", "data count",
	}
	sectionOrder = []byte{
		sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport,
		sectionStart, sectionElement, sectionDataCount, sectionCode, sectionData,
	}
)

// Kinds of imports and exports.
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
)

// module is what there is to know of a module before it is compiled. Its parts are parts of the file.
type module struct {
	sections [sectionDataCount + 1][]byte // contents by id, nil where there is none; not the custom ones
	names    []byte                       // the content of the section "name" after the name

	types     []signature
	imports   []importEntry
	functions []uint32 // type indices of imported functions, then of the others
	imported  int      // functions
	exports   map[string]export
	tables    []table
	globals   uint32
	memoryMin uint64 // bytes
	memoryMax uint64
}

// signature is the type of a function: each byte is a value type.
type signature struct{ params, results string }

type importEntry struct {
	module, name string
	kind         byte
	index        uint32 // a function's type
}

type export struct {
	kind  byte
	index uint32
}

type table struct {
	elementType byte
	min, max    uint32
}

var (
	magic            = []byte("\x00asm")
	versionModule    = []byte{1, 0, 0, 0}
	versionComponent = []byte{13, 0, 1, 0}
)

// parse reads a module. It checks all that memory is reserved for, so that a compiler which trusts the
// file's numbers needs no more memory than its size tells; whether the code is valid is left to the
// compiler. An error is a clause that goes on after "the module is not in order: ".
func parse(file []byte) (*module, error) {
	r := &reader{b: file, pos: len(magic) + len(versionModule)}
	m := &module{exports: map[string]export{}, memoryMax: maxMemory}
	order := 0
	for r.err == nil && r.left() > 0 {
		id := r.byte()
		size := r.u32()
		if r.err == nil && uint64(size) > uint64(r.left()) {
			return nil, fmt.Errorf("it is cut off: the section %s has %d bytes, of which %d are there", sectionName(id), size, r.left())
		}
		content := r.bytes(size)
		if r.err != nil {
			break
		}
		if id == sectionCustom {
			m.custom(content)
			continue
		}
		at := slices.Index(sectionOrder, id)
		if at < 0 {
			return nil, fmt.Errorf("a section has the unknown id %d", id)
		}
		if at < order {
			return nil, fmt.Errorf("the section %s comes twice or at the wrong place", sectionName(id))
		}
		order = at + 1
		m.sections[id] = content
		if err := m.section(id, content); err != nil {
			return nil, fmt.Errorf("section %s: %w", sectionName(id), err)
		}
	}
	return m, r.err
}

func sectionName(id byte) string {
	if int(id) < len(sectionNames) {
		return sectionNames[id]
	}
	return fmt.Sprint(id)
}

// custom looks at a custom section. One that is malformed is as good as none.
func (m *module) custom(content []byte) {
	r := &reader{b: content}
	if r.name() == "name" && r.err == nil {
		m.names = functionNames(r)
	}
}

// functionNames returns the content of the subsection with the names of functions, nil if it is
// malformed or there is none.
func functionNames(r *reader) []byte {
	for r.left() > 0 {
		id := r.byte()
		content := r.bytes(r.u32())
		if r.err != nil {
			return nil
		}
		if id != 1 {
			continue
		}
		sub := &reader{b: content}
		for range sub.count("names", maxFunctions, 2) {
			sub.u32()
			sub.name()
		}
		if sub.err != nil || sub.left() > 0 {
			return nil
		}
		return content
	}
	return nil
}

// function returns the type of an exported function.
func (m *module) function(name string) (signature, bool) {
	e, ok := m.exports[name]
	if !ok || e.kind != kindFunction || int(e.index) >= len(m.functions) {
		return signature{}, false
	}
	return m.typeOf(m.functions[e.index]), true
}

func (m *module) typeOf(index uint32) signature {
	if int(index) >= len(m.types) {
		return signature{}
	}
	return m.types[index]
}

// isModule reports whether a file begins as a module does, and isComponent as a component.
func isModule(file []byte) bool { return hasVersion(file, versionModule) }

func isComponent(file []byte) bool { return hasVersion(file, versionComponent) }

func hasVersion(file, version []byte) bool {
	rest, ok := bytes.CutPrefix(file, magic)
	return ok && bytes.HasPrefix(rest, version)
}
