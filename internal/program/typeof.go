package program

import (
	"path/filepath"
	"strings"

	nex "github.com/nex-engine/nex"
)

// TypeOf infers the type of a workload from the name of its file and the first bytes of it, of
// which 512 are enough. A name that ends as those of JavaScript, TypeScript or WebAssembly decides,
// unless the bytes are those of something else; without one the bytes do. The error is a [nex.Error]
// with code invalid_executable that says what would be known.
func TypeOf(name string, head []byte) (nex.WorkloadType, error) {
	head = head[:min(len(head), headSize)]
	ending, format := filepath.Ext(name), formatOf(head)
	byName, byContent := typeOfEnding(ending), typeOfFormat(format)
	name = clip(filepath.Base(name))
	switch {
	case byName == "" && byContent == "":
		return "", refuse("%s is %s: deploy JavaScript (.js, .mjs, .cjs), TypeScript (.ts, .mts), WebAssembly (.wasm) or a program (ELF, Mach-O, PE)",
			name, described(format, head))
	case byName == "":
		return byContent, nil
	case byContent == nex.TypeNative && !isText(head): // a text can begin with MZ as well
		return "", refuse("%s is a program (%s), though its name ends in %s: name it otherwise to deploy it as a program", name, format, clip(ending))
	case byContent == nex.TypeWasm && byName != nex.TypeWasm:
		return "", refuse("%s is a WebAssembly module, though its name ends in %s: give it a name that ends in .wasm", name, clip(ending))
	}
	return byName, nil
}

// typeOfEnding is empty for a name's ending that says nothing.
func typeOfEnding(ending string) nex.WorkloadType {
	switch strings.ToLower(ending) {
	case ".js", ".mjs", ".cjs", ".ts", ".mts":
		return nex.TypeV8
	case ".wasm":
		return nex.TypeWasm
	}
	return ""
}

// typeOfFormat is empty for a format that says nothing, or of files that cannot be deployed.
func typeOfFormat(format Format) nex.WorkloadType {
	switch format {
	case FormatELF, FormatMachO, FormatPE:
		return nex.TypeNative
	case FormatWasm:
		return nex.TypeWasm
	}
	return ""
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
