package agent

import (
	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/function/wasm"
)

// loaders are the runtimes of functions, by the type of workload.
var loaders = func() map[nex.WorkloadType]function.Loader {
	all := map[nex.WorkloadType]function.Loader{nex.TypeWasm: wasm.Load}
	if javascript.Supported {
		all[nex.TypeV8] = javascript.Load
	}
	return all
}()

// types are the workload types that this agent runs.
func types() []nex.WorkloadType {
	var list []nex.WorkloadType
	for _, t := range nex.WorkloadTypes {
		if t == nex.TypeNative || loaders[t] != nil {
			list = append(list, t)
		}
	}
	return list
}
