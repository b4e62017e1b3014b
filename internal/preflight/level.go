package preflight

import (
	"fmt"
	"runtime"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// Levels checks that there is a level of sandbox which this version runs workloads at, and says
// which ones it does not. The file is the configuration that may allow the one that is left.
func Levels(noSandbox bool, file string) checklist.Group {
	g := checklist.NewGroup("Sandbox levels that this version runs")
	none := checklist.Item{
		Name: string(nex.SandboxNone), Path: "no_sandbox: true",
		Description: "level none: workloads are ordinary processes of this user, without isolation",
	}
	if noSandbox {
		none = none.Found()
	} else {
		none = none.Missing(fmt.Sprintf("no other level can be run: set no_sandbox to true in %s, or give --no-sandbox, if you trust all that you deploy", file))
	}
	g.Add(none, checklist.Item{
		Name: "other-levels", Path: "gvisor, microvm", Description: "levels with isolation", Optional: true,
	}.Missing("this version of nex runs no workloads at these levels, whatever is installed for them"))
	return g
}

// needsLinux is the only item of a level's group on other systems.
func needsLinux(what string) checklist.Item {
	return checklist.Item{
		Name: "linux", Path: "Linux", Description: "system that " + what + " needs", Optional: true,
	}.Missing("this is " + runtime.GOOS + ": use a Linux machine")
}
