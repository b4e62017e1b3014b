package wasm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/nex-engine/nex/internal/function"
)

// What a module exports: a command start, a reactor handle and, if it needs it, initialize.
const (
	exportStart      = "_start"
	exportInitialize = "_initialize"
	exportHandle     = "nex_handle"
)

// isReactor reports whether the module is a reactor; otherwise it is a command.
func (m *module) isReactor() bool {
	_, command := m.function(exportStart)
	return !command
}

// checkExports finds out whether the module can be called.
func (m *module) checkExports() error {
	nothing, handler := signature{}, signature{results: "\x7f"} // i32
	start, command := m.function(exportStart)
	initialize, initializes := m.function(exportInitialize)
	handle, handles := m.function(exportHandle)
	switch {
	case command && start != nothing:
		return refuse("the module's function %s has the type %s, and needs %s", exportStart, start, nothing)
	case command:
		return nil
	case !handles && initializes:
		return refuse("the module is a reactor, which exports %s, but it exports no function %s to call; "+
			"see guest/README.md, or build a command, which exports %s", exportInitialize, exportHandle, exportStart)
	case !handles:
		return refuse("the module exports neither the function %s of a WASI command nor %s of a reactor, so there is nothing to call",
			exportStart, exportHandle)
	case handle != handler:
		return refuse("the module's function %s has the type %s, and needs %s", exportHandle, handle, handler)
	case initializes && initialize != nothing:
		return refuse("the module's function %s has the type %s, and needs %s", exportInitialize, initialize, nothing)
	}
	return nil
}

// checkImports finds out whether the host has all that the module imports.
func (m *module) checkImports(host map[string]map[string]api.FunctionDefinition) error {
	var missing []string
	for _, i := range m.imports {
		name := fmt.Sprintf("%.80q", i.module+"."+i.name)
		switch def := host[i.module][i.name]; {
		case i.kind == kindMemory:
			return refuse("the module imports its memory as %s; build it with a memory of its own", name)
		case i.kind != kindFunction || def == nil:
			if !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		default:
			got, want := m.typeOf(i.index), signatureOf(def)
			if got != want {
				return refuse("the module imports %s with the type %s, and it has the type %s", name, got, want)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return refuse("the module imports what there is not: %s; functions have the imports of WASI preview 1 and those of %s in guest/README.md",
		list(missing), moduleNex)
}

// list joins the first names of many.
func list(names []string) string {
	const most = 16
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func signatureOf(def api.FunctionDefinition) signature {
	return signature{params: string(def.ParamTypes()), results: string(def.ResultTypes())}
}

// String is the signature as the text format writes it.
func (s signature) String() string { return "(" + types(s.params) + ") -> (" + types(s.results) + ")" }

func types(list string) string {
	var names []string
	for i := range min(len(list), 16) {
		names = append(names, api.ValueTypeName(list[i]))
	}
	if len(list) > len(names) {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// checkEnvironment finds out whether a WASI program can be given the environment.
func checkEnvironment(environment map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(environment[name], "\x00") {
			return function.Errorf(function.StatusBadRequest,
				"the environment variable %.80q cannot be given to a WASI program: its name is empty or has a =, or there is a NUL in it", name)
		}
	}
	return nil
}
