package preflight

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// sandboxes checks the levels of sandbox, and what holds in them. A node needs one that isolates, unless it is to
// run without.
func sandboxes(ctx context.Context, c config.Config, at places, t Trials) ([]checklist.Group, []Offer) {
	machines, offers := MicroVM(ctx, c, at.file, at.dataDir, t)
	kernels := GVisor(ctx, c, at.file, t)
	machinesWork, kernelsWork := machines.Satisfied(microVMItem), kernels.Satisfied(gvisorItem)
	if machinesWork {
		kernels.AllOptional()
	}
	// A node with all that a machine takes chooses that level, and does not start if no machine runs.
	if c.NoSandbox || kernelsWork && !machines.Lacks(microVMItem) {
		machines.AllOptional()
	}
	return []checklist.Group{
		machines, kernels, None(c.NoSandbox, at.file), Limits(c, t), Network(ctx, c, machinesWork || kernelsWork, t),
	}, offers
}

// places are where the configuration and the data of a node are.
type places struct{ file, dataDir string }

// gvisorItem is the item that says whether a sandbox of level gvisor starts.
const gvisorItem = "gvisor"

// GVisor checks level gvisor by starting a sandbox. A node needs it unless it is to run without: the file
// is the configuration that may say so.
func GVisor(ctx context.Context, c config.Config, file string, t Trials) checklist.Group {
	g := checklist.NewGroup("Sandbox level gvisor", searched(c.BinPath)...)
	without := fmt.Sprintf("or, if you trust all that you deploy, set no_sandbox to true in %s", file)
	if runtime.GOOS != "linux" {
		g.Add(checklist.Item{
			Name: "linux", Path: "Linux", Description: "system that gVisor needs", Optional: c.NoSandbox,
		}.Missing(fmt.Sprintf("this is %s: use a Linux machine, %s", runtime.GOOS, without)))
		return g
	}
	runsc := checklist.Item{Name: "runsc", Path: "runsc", Description: "gVisor, a kernel in user space", Optional: c.NoSandbox}
	path, err := binpath.Find("runsc", c.BinPath)
	if err != nil {
		g.Add(runsc.Missing(fmt.Sprintf("%v, %s", err, without)))
		return g
	}
	runsc.Path = path
	g.Add(runsc.Found())
	agent, err := binpath.Find(agentName, c.BinPath)
	if err != nil {
		return g // said elsewhere, and nothing can be tried
	}
	started := checklist.Item{Name: gvisorItem, Path: "gvisor", Description: "a sandbox, started and ended", Optional: c.NoSandbox}
	if err := t.GVisor(ctx, path, agent); err != nil {
		g.Add(started.Missing(fmt.Sprintf("it does not start (%v): mend that, %s", err, without)))
		return g
	}
	g.Add(started.Found())
	return g
}

// None says what it is to run without a sandbox, which works everywhere.
func None(noSandbox bool, file string) checklist.Group {
	g := checklist.NewGroup("Sandbox level none")
	item := checklist.Item{
		Name: string(nex.SandboxNone), Path: "no_sandbox", Description: "ordinary processes of this user, without isolation",
	}
	if noSandbox {
		g.Add(item.Found())
	} else {
		g.Add(item.Noted(fmt.Sprintf("works here, and is used only if %s or --no-sandbox says so", file)))
	}
	return g
}

// Limits checks which limits hold. Those of rates are needed where the configuration sets them.
func Limits(c config.Config, t Trials) checklist.Group {
	g := checklist.NewGroup("Limits")
	held, err := t.Limits()
	if err != nil {
		held.Missing = err.Error()
	}
	for _, l := range []struct {
		name, what   string
		holds, asked bool
		needed       bool // a node whose configuration asks for it does not start without
	}{
		{"memory", "bound of memory", held.Memory, true, false},
		{"cpus", "bound of processor time", held.CPUs, true, false},
		{"pids", "bound of processes", held.PIDs || !c.NoSandbox, true, false}, // sandboxes count them themselves
		{"bandwidth", "bytes a second, of rate_limiters", held.Bandwidth, c.RateLimiters.Bandwidth != nil, true},
		{"iops", "operations a second, of rate_limiters", held.IOPS, c.RateLimiters.IOPS != nil, true},
	} {
		item := checklist.Item{Name: l.name, Path: l.name, Description: l.what, Optional: !l.needed}
		switch {
		case !l.asked:
		case l.holds:
			g.Add(item.Found())
		case l.needed:
			g.Add(item.Missing("a node does not start that is to enforce it: " + held.Missing))
		default:
			g.Add(item.Missing("workloads are not held to it: " + held.Missing))
		}
	}
	return g
}

// Network checks the network of sandboxes, if there are any, by making it. Functions need none.
func Network(ctx context.Context, c config.Config, sandboxes bool, t Trials) checklist.Group {
	g := checklist.NewGroup("Network of the sandboxes")
	item := checklist.Item{Name: "network", Path: "network", Description: "network of services and images", Optional: true}
	if c.NoSandbox {
		g.Add(item.Noted("without a sandbox services use that of this machine"))
		return g
	}
	if !sandboxes {
		g.Add(item.Noted("not tried, as no sandbox starts"))
		return g
	}
	if err := t.Network(ctx, c); err != nil {
		item.Optional = errors.Is(err, ErrNoRights)
		if !item.Optional {
			g.Add(item.Missing(fmt.Sprintf("a node does not start: %v", err)))
			return g
		}
		g.Add(item.Missing(fmt.Sprintf("only functions can run in sandboxes, services and images cannot: %v", err)))
		return g
	}
	g.Add(item.Found())
	return g
}
