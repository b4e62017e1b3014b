package preflight

import (
	"runtime"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// GVisor checks what level gvisor is made of. All of it is optional.
func GVisor(binPath []string) checklist.Group {
	g := checklist.NewGroup("Sandbox level gvisor", searched(binPath)...)
	if runtime.GOOS != "linux" {
		g.Add(needsLinux("gVisor"))
		return g
	}
	item := checklist.Item{Name: "runsc", Path: "runsc", Description: "gVisor, a kernel in user space", Optional: true}
	if path, err := binpath.Find("runsc", binPath); err == nil {
		item.Path = path
		item = item.Found()
	} else {
		item = item.Missing("there is none: get runsc from https://gvisor.dev and put it beside nex, or name its folder in bin_path")
	}
	g.Add(item)
	g.Add(kernelForGVisor()...)
	return g
}
