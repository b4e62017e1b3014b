package pool_test

import (
	"slices"
	"testing"

	nex "github.com/nex-engine/nex"
)

// Before an agent came up, all types are taken for possible; then it is what the agents say.
func TestTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	p := r.open()
	if got := p.Types(); !slices.Equal(got, nex.WorkloadTypes) {
		t.Errorf("types before the first agent = %v, want all, %v", got, nex.WorkloadTypes)
	}
	a := r.lease(p)
	if got := p.Types(); !slices.Equal(got, a.Hello.Types) || slices.Equal(got, nex.WorkloadTypes) {
		t.Errorf("types = %v, want those of the agent, %v", got, a.Hello.Types)
	}
	a.Release()
	if got := p.Types(); !slices.Equal(got, a.Hello.Types) {
		t.Errorf("types without an agent = %v, want those of the last one, %v", got, a.Hello.Types)
	}
}
