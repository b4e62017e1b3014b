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
	first, err := openInitramfs()
	if err == nil {
		err = first.loadModules()
	}
	if err != nil {
		return guest.Exit{}, "", err
	}
	if hasScript(first) {
		exit, err = runScript(events, first)
		return exit, guest.ScriptEndedLine, err
	}
	exit, err = runAgent(events, first)
	return exit, guest.EndedLine, err
}

// runAgent returns how the agent has ended, or why there is none.
func runAgent(e *events, first *initramfs) (guest.Exit, error) {
	root, err := mountDisks(e, first)
	if err == nil {
		err = first.awaitOverlay()
	}
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
	// The agent begins meanwhile: it needs nothing of this before the node calls.
	if err := together(first.loadDevices, raiseLoopback); err != nil {
		return guest.Exit{}, err
	}
	if err := first.remove(); err != nil {
		return guest.Exit{}, err
	}
	e.close()
	go vm.nodes.listen() // as long as the VM runs
	return vm.run()
}
