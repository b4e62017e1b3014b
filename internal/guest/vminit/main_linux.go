package vminit

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/guest"
)

// Main is the nex-init program. As the first process of a VM it does not return; otherwise it says what it is, and
// returns 2.
func Main() int {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "nex-init is the first process of a microVM: the kernel starts it.")
		return 2
	}
	// What the agent inherits is that of this thread.
	runtime.LockOSThread()
	exit, ended, err := run()
	if err != nil {
		say(err.Error())
	} else {
		line, _ := json.Marshal(exit) // it never fails
		terminal.print(ended + string(line))
	}
	restart()
	return 1
}

// run returns how the agent has ended, or the script, and the line that says so; or why there is none.
func run() (exit guest.Exit, ended string, err error) {
	if err := beginnings(); err != nil {
		return guest.Exit{}, "", err
	}
	events, err := listenEvents()
	if err != nil {
		return guest.Exit{}, "", err
	}
	if err := together(loadModules, raiseLoopback); err != nil {
		return guest.Exit{}, "", err
	}
	if hasScript() {
		exit, err = runScript(events)
		return exit, guest.ScriptEndedLine, err
	}
	exit, err = runAgent(events)
	return exit, guest.EndedLine, err
}

// runAgent returns how the agent has ended, or why there is none.
func runAgent(e *events) (guest.Exit, error) {
	var root *root
	err := together(loadDevices, func() (err error) {
		root, err = mountDisks(e)
		return err
	})
	if err != nil {
		return guest.Exit{}, err
	}
	if err := root.enter(); err != nil {
		return guest.Exit{}, err
	}
	vm, err := newVM(root.image)
	if err != nil {
		return guest.Exit{}, err
	}
	e.close()
	return vm.run()
}
