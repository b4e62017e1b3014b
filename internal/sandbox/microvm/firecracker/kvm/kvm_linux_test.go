package kvm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/kvm"
)

// Whatever the machine has, a trial ends soon, and says one thing.
func TestCheckEnds(t *testing.T) {
	t.Parallel()
	began := time.Now()
	err := kvm.Check(t.Context())
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	t.Logf("KVM: %v", err)
}

// Who does not want to wait need not.
func TestContextEndsATrial(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("no time")
	cancel(cause)
	if err := kvm.Check(ctx); err == nil {
		t.Error("it tries all the same")
	}
}
