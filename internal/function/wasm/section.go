package wasm

import (
	"fmt"
	"iter"
)

// section reads the content of a section.
func (m *module) section(id byte, content []byte) error {
	r := &reader{b: content}
	switch id {
	case sectionType:
		m.readTypes(r)
	case sectionImport:
		m.readImports(r)
	case sectionFunction:
		for range r.count("functions", maxFunctions, 1) {
			m.functions = append(m.functions, r.u32())
		}
	case sectionTable:
		for range r.count("tables", maxTables, 3) {
			m.readTable(r)
		}
	case sectionMemory:
		for range r.count("memories", 1, 2) {
			m.readMemory(r)
		}
	case sectionGlobal:
		m.globals = r.count("globals", maxGlobals, 4)
		for range m.globals {
			r.bytes(2) // type, mutability
			r.skipConstant()
		}
	case sectionExport:
		m.readExports(r)
	case sectionStart, sectionDataCount:
		r.u32()
	case sectionElement:
		readElements(r)
	case sectionCode:
		for range r.bodies() { // to see that they are in order
		}
	case sectionData:
		readData(r)
	}
	if r.err == nil && r.left() > 0 {
		return fmt.Errorf("%d bytes are left over", r.left())
	}
	return r.err
}

func (m *module) readTypes(r *reader) {
	for range r.count("types", maxTypes, 3) {
		if form := r.byte(); form != 0x60 {
			r.fail("the type form 0x%02x is not supported", form)
			return
		}
		params := r.bytes(r.count("parameters", maxParameters, 1))
		results := r.bytes(r.count("results", maxParameters, 1))
		m.types = append(m.types, signature{string(params), string(results)})
	}
}

func (m *module) readImports(r *reader) {
	for range r.count("imports", maxImports, 4) {
		i := importEntry{module: r.name(), name: r.name(), kind: r.byte()}
		switch i.kind {
		case kindFunction:
			i.index = r.u32()
			m.functions = append(m.functions, i.index)
			m.imported++
		case kindTable:
			r.byte()
			r.limits(maxTableEntries)
		case kindMemory:
			r.limits(maxPages)
		case kindGlobal:
			r.bytes(2)
		default:
			r.fail("the import kind %d is not supported", i.kind)
		}
		m.imports = append(m.imports, i)
	}
}

// limits reads a minimum, and a maximum if there is one. Only bit 0 of the flags is supported.
func (r *reader) limits(most uint32) (least, highest uint32) {
	flags := r.byte()
	least, highest = r.u32(), most
	switch flags {
	case 0:
	case 1:
		if highest = r.u32(); highest < least {
			r.fail("a minimum is larger than its maximum")
		}
	default:
		r.fail("a memory or table is shared or has 64-bit addresses, which is not supported")
	}
	return least, min(highest, most)
}

func (m *module) readTable(r *reader) {
	t := table{elementType: r.byte()}
	if t.elementType != 0x70 && t.elementType != 0x6f {
		r.fail("the table type 0x%02x is not supported", t.elementType)
		return
	}
	t.min, t.max = r.limits(maxTableEntries)
	if t.min > maxTableEntries {
		r.fail("a table has %d entries, more than %d", t.min, maxTableEntries)
	}
	m.tables = append(m.tables, t)
}

func (m *module) readMemory(r *reader) {
	least, most := r.limits(maxPages)
	if least > maxPages {
		r.fail("a memory has more than 4 GiB")
		return
	}
	m.memoryMin = uint64(least) * pageBytes
	m.memoryMax = min(uint64(most)*pageBytes, maxMemory)
}

func (m *module) readExports(r *reader) {
	for range r.count("exports", maxExports, 3) {
		name := r.name()
		e := export{kind: r.byte(), index: r.u32()}
		if r.err == nil {
			m.exports[name] = e
		}
	}
}

func readElements(r *reader) {
	all := uint64(0)
	for range r.count("element segments", maxSegments, 2) {
		flags := r.u32()
		if flags > 7 {
			r.fail("an element segment has the flags 0x%x", flags)
			return
		}
		passive, indexed, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
		if !passive {
			if indexed {
				r.u32()
			}
			r.skipConstant()
		}
		if passive || indexed {
			r.byte() // the kind or type of the elements
		}
		n := r.count("elements", maxElements, 1)
		if all += uint64(n); all > maxElements {
			r.fail("it has more than %d elements", maxElements)
		}
		for range n {
			if expressions {
				r.skipConstant()
			} else {
				r.u32()
			}
			if r.err != nil {
				return
			}
		}
	}
}

// functionBody is a function's code.
type functionBody struct {
	declarations []byte // of local variables: groups, without their number
	groups       uint32
	locals       int // in all groups
	code         []byte
}

// bodies yields the content of the code section, and stops at what is not in order.
func (r *reader) bodies() iter.Seq[functionBody] {
	return func(yield func(functionBody) bool) {
		all := 0
		for range r.count("functions", maxFunctions, 2) {
			body := &reader{b: r.bytes(r.u32())}
			if r.err != nil {
				return
			}
			b := functionBody{groups: body.count("groups of locals", maxLocals, 2)}
			start := body.pos
			for range b.groups {
				b.locals += int(body.u32())
				body.byte() // the type
			}
			all += b.locals
			switch {
			case body.err != nil:
				r.fail("a function: %w", body.err)
				return
			case b.locals > maxLocals || all > maxAllLocals:
				r.fail("a function has more than %d local variables, or all have more than %d", maxLocals, maxAllLocals)
				return
			}
			b.declarations, b.code = body.b[start:body.pos], body.b[body.pos:]
			if !yield(b) {
				return
			}
		}
	}
}

func readData(r *reader) {
	for range r.count("data segments", maxSegments, 2) {
		switch flags := r.u32(); flags {
		case 0:
			r.skipConstant()
		case 1:
		case 2:
			r.u32()
			r.skipConstant()
		default:
			r.fail("a data segment has the flags 0x%x", flags)
		}
		r.bytes(r.u32())
	}
}
