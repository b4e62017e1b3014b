// Package firstboot lets a program of the user's change a root file system that was just built: it is run, as root,
// by the init of a virtual machine that exists for that alone, whose first disk is the file system.
//
// The machine is one of QEMU's, with a network in which QEMU makes the connections, so that this takes no more rights than
// the user has. It can reach what the user can.
package firstboot

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// DefaultTimeout bounds how long a script runs if nobody says anything else.
const DefaultTimeout = 10 * time.Minute

// Config is what a machine is made of.
type Config struct {
	// Script is the path of the program: for the machine's kind of processor, or with #! and an interpreter that the
	// root file system has. Required; at most [MaxScript] bytes.
	Script string
	// Init is the path of nex-init, and Kernel that of a kernel. Required.
	Init, Kernel string
	// Modules is the directory of the kernel's modules, such as /lib/modules/6.1.0; empty means that it needs none.
	Modules string
	// Timeout bounds how long it takes; 0 takes [DefaultTimeout].
	Timeout time.Duration
	// Output gets what the script prints.
	Output io.Writer
	// Say is told what is being done, in words. Nil: nobody is.
	Say func(format string, args ...any)
}

// MaxScript bounds a script, in bytes.
const MaxScript = 64 << 20

// timeoutError is for a script that does not end.
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string {
	return fmt.Sprintf("the script has not ended within %v: give it longer with --script-timeout", e.after)
}

func (c *Config) check() error {
	switch {
	case c.Script == "" || c.Init == "":
		return errors.New("run a script: Script and Init must be given")
	case c.Kernel == "":
		return errors.New("a script is run in a virtual machine, and there is no kernel for it: name one with --kernel, or in the configuration")
	case c.Timeout < 0:
		return errors.New("the time for a script cannot be less than nothing")
	case c.Timeout == 0:
		c.Timeout = DefaultTimeout
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if c.Output == nil {
		c.Output = io.Discard
	}
	return nil
}
