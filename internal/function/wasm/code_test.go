package wasm_test

import (
	"fmt"
	"testing"

	"github.com/nex-engine/nex/internal/function/wasm"
)

// instructions are all that WebAssembly 2.0 has, each with operands that are valid in the module of
// every.
func instructions() (list [][]byte) {
	add := func(instruction ...byte) { list = append(list, instruction) }
	one := func(first, last int, rest ...byte) {
		for op := first; op <= last; op++ {
			add(append([]byte{byte(op)}, rest...)...)
		}
	}
	group := func(prefix byte, first, last int, rest ...byte) {
		for op := first; op <= last; op++ {
			add(append(append([]byte{prefix}, number(op)...), rest...)...)
		}
	}
	one(0x00, 0x01)                // unreachable, nop
	one(0x02, 0x04, 0x40, 0x0b)    // block, loop, if
	one(0x02, 0x03, 0x7f, 0, 0x0b) // with a result
	add(0x04, 0x7f, 0, 0x05, 0, 0x0b)
	one(0x03, 0x03, 2, 0, 0x0b)    // a loop with parameters
	add(0x04, 0x40, 0x05, 0x0b)    // if, else
	one(0x0c, 0x0d, 0)             // br, br_if
	add(0x0e, 2, 0, 0, 0)          // br_table
	add(0x0f)                      // return
	add(0x10, 0)                   // call
	add(0x11, 0, 0)                // call_indirect
	add(0x1a)                      // drop
	add(0x1c, 1, 0x7f)             // select with a type
	one(0x20, 0x22, 3)             // variables
	one(0x23, 0x24, 0)             // global variables
	one(0x25, 0x26, 0)             // table.get, table.set
	one(0x28, 0x3e, 0, 0x80, 0x01) // memory
	one(0x3f, 0x40, 0)             // memory.size, memory.grow
	add(0x41, 0xff, 0xff, 0xff, 0xff, 0x7f)
	add(0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
	add(0x43, 3, 3, 3, 3) // the operands look like loops
	add(0x44, 3, 3, 3, 3, 3, 3, 3, 3)
	one(0x45, 0xc4)                   // numeric
	add(0xd0, 0x70)                   // ref.null
	add(0xd2, 0)                      // ref.func
	group(0xfc, 0, 7)                 // conversions
	add(0xfc, 8, 0, 0)                // memory.init
	add(0xfc, 9, 0)                   // data.drop
	add(0xfc, 10, 0, 0)               // memory.copy
	add(0xfc, 11, 0)                  // memory.fill
	add(0xfc, 12, 0, 0)               // table.init
	add(0xfc, 13, 0)                  // elem.drop
	add(0xfc, 14, 0, 0)               // table.copy
	group(0xfc, 15, 17, 0)            // table.grow, size, fill
	group(0xfd, 0, 11, 0, 0x80, 0x01) // loads, stores
	for _, op := range []byte{12, 13} {
		add(0xfd, op, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)
	}
	group(0xfd, 14, 20)
	group(0xfd, 21, 34, 1)
	group(0xfd, 35, 83)
	group(0xfd, 84, 91, 0, 0x80, 0x01, 1)
	group(0xfd, 92, 93, 0, 0x80, 0x01)
	for op := 94; op <= 255; op++ {
		switch op { // those that there are not
		case 154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238:
		default:
			group(0xfd, op, op)
		}
	}
	return list
}

// every is a module with the instructions after each other, in code that is never reached, where there
// are operands of all types.
func every(instructions [][]byte) wat {
	code := []byte{unreachable}
	for _, i := range instructions {
		code = append(append(code, i...), unreachable)
	}
	body := concat([]byte{1, 4, 0x7f}, code, []byte{end})
	return wat{sections: map[byte][]byte{
		4:  {1, 0x70, 0, 1},                                      // a table of functions
		6:  concat([]byte{1, 0x7f, 1}, constant(0), []byte{end}), // a global variable
		9:  {1, 1, 0, 1, 0},                                      // elements
		11: {1, 1, 1, 'x'},                                       // data
		12: {1},                                                  // the number of data segments
		10: concat([]byte{1}, sized(body)),
	}}
}

// TestEveryInstruction: code is understood in full, or checks would be put into the midst of it.
func TestEveryInstruction(t *testing.T) {
	for _, instruction := range instructions() {
		t.Run(fmt.Sprintf("%x", instruction), func(t *testing.T) {
			original := every([][]byte{instruction}).bytes()
			if err := wasm.Compiles(original); err != nil {
				t.Fatalf("the module of the test is not valid: %v", err)
			}
			code, err := wasm.Rewrite(original)
			if err != nil {
				t.Fatal(err)
			}
			if err := wasm.Compiles(code); err != nil {
				t.Error(err)
			}
		})
	}
}
