package microvm

import (
	"os"
	"path/filepath"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// RunningVMM is the name of the VMM of machines that an earlier node process has left running, with dir as
// [Config.Dir]: only that one can speak to them. It is empty if there are none.
func RunningVMM(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "" // there was no driver
	}
	for _, e := range entries {
		if sandboxdir.CheckID(e.Name()) != nil {
			continue
		}
		r, err := sandboxdir.ReadRecord(filepath.Join(dir, e.Name()))
		var h handle
		// A machine of another version is not taken over, whoever runs it.
		if err == nil && r.ReadHandle(handleVersion, &h) == nil && r.Process.Running() {
			return h.VMM
		}
	}
	return ""
}
