package node_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/node"
	"github.com/nex-engine/nex/internal/sandbox/fake"
	"github.com/nex-engine/nex/internal/workload"
)

// A request says how many calls run at one time, but not how much memory its agent may take.
func TestRequestDoesNotRaiseMemory(t *testing.T) {
	s := config.Default()
	s.Functions.MaxConcurrency, s.Functions.MemoryMiB = 2, 100
	usual := node.FunctionSettings(s, &fake.Driver{}, workload.Spec{})
	asked := node.FunctionSettings(s, &fake.Driver{}, workload.Spec{MaxConcurrency: 1024})
	if usual.Concurrency != 2 || asked.Concurrency != 1024 {
		t.Errorf("%d and %d calls at one time, want 2 and 1024", usual.Concurrency, asked.Concurrency)
	}
	if want := int64(128+2*(100+64)) << 20; usual.ProcessBytes != want || asked.ProcessBytes != want {
		t.Errorf("the agent may take %d and %d bytes, want %d", usual.ProcessBytes, asked.ProcessBytes, want)
	}
	if usual.MaxResultBytes != 1<<20 {
		t.Errorf("a result may have %d bytes, want what the server takes", usual.MaxResultBytes)
	}
}
