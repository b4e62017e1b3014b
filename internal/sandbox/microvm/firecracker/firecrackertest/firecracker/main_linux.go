// Command firecracker plays Firecracker for tests, where there is no KVM. It serves the same API, refuses what is
// not described or comes in the wrong state, and runs the machine that it was told with QEMU, which emulates the
// processor. The guest has a virtio-serial port instead of vsock: what is said by vsock to port 52 goes there.
//
// What it needs of QEMU it keeps in its root, in names that begin with a dot.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest/openapi"
)

// These are set when it is built.
var (
	version   string // what it says of itself
	qemuPath  string
	machine   string // of QEMU
	processor string // of QEMU
	tuning    string // what kernels of emulated machines need to be told
)

func main() {
	runtime.LockOSThread() // QEMU ends with the thread that has started it
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("firecracker", flag.ContinueOnError)
	id := f.String("id", "anonymous-instance", "")
	socket := f.String("api-sock", "/run/firecracker.socket", "")
	showVersion := f.Bool("version", false, "")
	f.String("level", "Info", "")
	f.Int64("start-time-us", 0, "")
	f.Int64("start-time-cpu-us", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("argument %q is not known", f.Arg(0))
	}
	if *showVersion {
		_, err := fmt.Fprintf(stdout, "Firecracker v%s\n\n", version)
		return err
	}
	l, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	p := newProcess(*id)
	server := &http.Server{Handler: p}
	go func() { _ = server.Serve(l) }() // until the process ends
	for {                               // QEMU is started by this thread
		select {
		case t := <-p.start:
			t.done <- t.do()
		case err := <-p.ended:
			return err
		}
	}
}

// newProcess returns a process whose machine is not there yet.
func newProcess(id string) *process {
	return &process{
		id: id, spec: openapi.Firecracker(), state: notStarted,
		machine: defaultMachine, taps: map[string]*os.File{}, start: make(chan task), ended: make(chan error, 1),
	}
}

// A task is for the main thread.
type task struct {
	do   func() error
	done chan error
}

// onMain has the main thread do something.
func (p *process) onMain(do func() error) error {
	t := task{do, make(chan error, 1)}
	p.start <- t
	return <-t.done
}

var errCrashed = errors.New("the machine has crashed")
