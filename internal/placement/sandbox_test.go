package placement_test

import (
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/placement"
	"github.com/nex-engine/nex/internal/sandbox"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	strong := placement.Sandboxes{
		Level: nex.SandboxGVisor, Limits: sandbox.LimitSet{Memory: true, CPUs: true}, Network: true, CPUs: 2, MemoryMiB: 512,
	}
	weak := placement.Sandboxes{Level: nex.SandboxNone, Limits: sandbox.LimitSet{Missing: "there are no control groups"}, CPUs: 2, MemoryMiB: 512}
	unknown := strong
	unknown.CPUs, unknown.MemoryMiB = -1, -1
	egress := nex.Egress{Deny: []string{"*"}}
	tests := []struct {
		name string
		ask  placement.Ask
		node placement.Sandboxes
		code nex.Code
		says string
	}{
		{"nothing", placement.Ask{}, weak, "", ""},
		{"all", placement.Ask{MinSandbox: nex.SandboxGVisor, MemoryMiB: 512, CPUs: 2, Egress: egress}, strong, "", ""},
		{"less than there is", placement.Ask{MinSandbox: nex.SandboxNone, MemoryMiB: 16, CPUs: 0.1}, strong, "", ""},
		{"stronger", placement.Ask{MinSandbox: nex.SandboxMicroVM}, strong, nex.CodeSandboxTooWeak, "is gvisor, below microvm"},
		{"any sandbox", placement.Ask{MinSandbox: nex.SandboxGVisor}, weak, nex.CodeSandboxTooWeak, "is none, below gvisor"},
		{"too much memory", placement.Ask{MemoryMiB: 513}, strong, nex.CodeInsufficientResources, "512 MiB of memory available, not 513"},
		{"too many processors", placement.Ask{CPUs: 2.01}, strong, nex.CodeInsufficientResources, "2 processors, not 2.01"},
		{"as much as nobody knows", placement.Ask{MemoryMiB: 1 << 20, CPUs: 1024}, unknown, "", ""},
		{"memory not held", placement.Ask{MemoryMiB: 16}, weak, nex.CodeUnsupportedLimit, "to memory_mib (there are no control groups): leave it away"},
		{"processors not held", placement.Ask{CPUs: 1}, weak, nex.CodeUnsupportedLimit, "to cpus (there are no control groups)"},
		{"egress not held", placement.Ask{Egress: egress}, weak, nex.CodeUnsupportedLimit, "to egress, because its workloads have no network"},
		{"without a reason", placement.Ask{MemoryMiB: 16}, placement.Sandboxes{Level: nex.SandboxNone, MemoryMiB: -1}, nex.CodeUnsupportedLimit, "to memory_mib: leave it away"},
		{"the level first", placement.Ask{MinSandbox: nex.SandboxMicroVM, MemoryMiB: 513, CPUs: 3, Egress: egress}, weak, nex.CodeSandboxTooWeak, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := placement.Refuse(tt.ask, tt.node)
			if nex.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error = %v, want code %q and %q", err, tt.code, tt.says)
			}
		})
	}
}
