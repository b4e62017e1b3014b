package kvm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// What is no KVM is told in a sentence, whether it does not answer or says something else.
func TestVersion(t *testing.T) {
	t.Parallel()
	if err := kvm.CheckVersion(12, nil); err != nil {
		t.Error(err)
	}
	if err := kvm.CheckVersion(0, unix.ENOTTY); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("without an answer: %v", err)
	}
	if err := kvm.CheckVersion(11, nil); err == nil || !strings.HasSuffix(err.Error(), "it says version 11") {
		t.Errorf("version 11: %v", err)
	}
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
