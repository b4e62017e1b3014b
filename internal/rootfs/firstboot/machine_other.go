//go:build !linux

package firstboot

import (
	"context"
	"errors"
)

var errNoLinux = errors.New("a script is run in a virtual machine, and those need linux: build the root file system there")

// Machine is a machine that can run scripts, of which there is none here.
type Machine struct{}

// New always fails here.
func New(context.Context, Config) (*Machine, error) { return nil, errNoLinux }

// Change always fails here.
func (*Machine) Change(context.Context, string) error { return errNoLinux }
