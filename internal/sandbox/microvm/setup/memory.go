package setup

import (
	"fmt"

	"github.com/nex-engine/nex/internal/hostinfo"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
)

// MemoryBytes is what every machine has for its workload, which by default may take so many MiB. The error says that
// this is more than there is here.
func MemoryBytes(perWorkloadMiB int) (int64, error) {
	bytes := max(int64(perWorkloadMiB)<<20, microvm.DefaultMemoryBytes)
	if m := hostinfo.Memory(); m != nil && bytes > int64(m.Total)<<10 {
		return 0, fmt.Errorf("every virtual machine would have %d MiB of memory, and there are %d MiB here: set memsize_mib of machine_template lower", bytes>>20, m.Total>>10)
	}
	return bytes, nil
}
