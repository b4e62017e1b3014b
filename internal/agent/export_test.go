package agent

import (
	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

// SetWasmLoader replaces the runtime of WebAssembly.
func SetWasmLoader(l function.Loader) { loaders[nex.TypeWasm] = l }

// Parts of running images, for tests.
var (
	LookIn           = lookIn
	ImageEnvironment = imageEnvironment
	ImageProblem     = imageProblem
	StopSignal       = stopSignal
)
