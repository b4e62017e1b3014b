//go:build !linux

package microvm

import (
	"context"
	"errors"

	"github.com/nex-engine/nex/internal/sandbox"
)

var errNoLinux = errors.New("microVMs need linux: run the node there, or in a virtual machine with it")

// Driver is the driver, of which there is none here.
type Driver struct{ sandbox.Driver }

// New always fails here.
func New(Config) (*Driver, error) { return nil, errNoLinux }

// Check always fails here.
func Check(context.Context, Config) error { return errNoLinux }
