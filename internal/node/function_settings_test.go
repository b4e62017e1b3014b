package node_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/node"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// A request says how many calls run at one time, but that does not change how much memory its agent may
// take.
func TestConcurrencyDoesNotRaiseMemory(t *testing.T) {
	s := config.Default()
	s.Functions.MaxConcurrency, s.Functions.MemoryMiB = 2, 100
	usual := node.FunctionSettings(s, &fake.Driver{}, workload.Spec{})
	asked := node.FunctionSettings(s, &fake.Driver{}, workload.Spec{MaxConcurrency: 1024})
	if usual.Concurrency != 2 || asked.Concurrency != 1024 {
		t.Errorf("%d and %d calls at one time, want 2 and 1024", usual.Concurrency, asked.Concurrency)
	}
	if want := int64(256) << 20; usual.ProcessBytes != want || asked.ProcessBytes != want {
		t.Errorf("the agent may take %d and %d bytes, want %d", usual.ProcessBytes, asked.ProcessBytes, want)
	}
	small := node.FunctionSettings(s, &fake.Driver{}, workload.Spec{MemoryMiB: 64, CPUs: 1.5})
	if small.ProcessBytes != 64<<20 || small.MemoryBytes != 32<<20 || small.Processors > 2 {
		t.Errorf("with 64 MiB and 1.5 processors the agent is told %+v", small)
	}
	if usual.MaxResultBytes != 1<<20 {
		t.Errorf("a result may have %d bytes, want what the server takes", usual.MaxResultBytes)
	}
}
