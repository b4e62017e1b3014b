//go:build !linux

package preflight

import (
	"context"
	"errors"
)

var errMachines = errors.New("virtual machines run on Linux only: use a Linux machine")

func tryKVM(context.Context) error { return errMachines }

func tryMicroVM(context.Context, Machine) error { return errMachines }
