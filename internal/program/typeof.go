package program

import (
	"path/filepath"
	"strings"

	nex "github.com/nex-engine/nex"
)

// TypeOf infers the type of a workload from the name of its file and the first bytes of it, of
// which 512 are enough. The name's ending decides if it is .js or .wasm, else the bytes do. The
// error is a [nex.Error] with code invalid_executable that says what would be known.
func TypeOf(name string, head []byte) (nex.WorkloadType, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".js", ".mjs", ".cjs", ".ts", ".mts":
		return nex.TypeV8, nil
	case ".wasm":
		return nex.TypeWasm, nil
	}
	format := formatOf(head[:min(len(head), headSize)])
	switch format {
	case FormatELF, FormatMachO, FormatPE:
		return nex.TypeNative, nil
	case FormatWasm:
		return nex.TypeWasm, nil
	}
	return "", refuse("%s is %s: deploy JavaScript (.js, .mjs, .cjs), TypeScript (.ts, .mts), WebAssembly (.wasm) or a program (ELF, Mach-O, PE)",
		clip(filepath.Base(name)), described(format, head))
}

// described says in a few words what a file is that cannot be deployed.
func described(format Format, head []byte) string {
	switch format {
	case FormatEmpty:
		return "empty"
	case FormatScript:
		return "a script"
	case FormatText:
		return "a text file"
	}
	if is := container(head); is != "" {
		return is
	}
	return "a file of unknown format"
}
