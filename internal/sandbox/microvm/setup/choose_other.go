//go:build !linux

package setup

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

var errMachines = errors.New("virtual machines run on Linux only: use a Linux machine")

// TryKVM always fails here.
func TryKVM(context.Context) error { return errMachines }

// Choose always fails here.
func Choose(context.Context, Programs, error, *slog.Logger) (vmm.VMM, error) { return nil, errMachines }
