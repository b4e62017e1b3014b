package microvm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// entropyBytes is what a machine gets of the host's randomness.
const entropyBytes = 64

// launch starts the machine and returns once the agent has its bootstrap document. When it fails nothing runs.
func (i *instance) launch(ctx context.Context, spec sandbox.Spec) error {
	var net *guest.Network
	if i.endpoint != nil {
		i.namespace = i.endpoint.Namespace()
		var err error
		if net, err = i.plug(); err != nil {
			return fmt.Errorf("connect the machine to its network: %w", err)
		}
	}
	if err := i.begin(spec.Log, func() { i.keep(nil, true) }); err != nil {
		return i.driver.blame(ctx, i.machine.Snapshot, err)
	}
	if err := i.settle(ctx, spec, net); err != nil {
		return i.driver.blame(ctx, i.machine.Snapshot, i.problem(ctx, err))
	}
	i.driver.snapshots.prove(i.machine.Snapshot)
	if err := i.record(i.handle); err != nil {
		return i.problem(ctx, err)
	}
	return nil
}

// begin starts the process, and what sees it to its end. The function keep, which runs as long as the machine, lets
// it run and closes talk.kept.
func (i *instance) begin(logLine func(string), keep func()) error {
	cmd, err := i.driver.vmm.Command(i.machine)
	if err != nil {
		return err
	}
	defer closeAll(cmd.ExtraFiles)
	i.cmd, i.console = cmd, i.listen(logLine)
	// They outlive us, and whoever writes to them need not know that we are gone.
	output, tty, err := sandboxdir.MakeOutput(i.home.output(), i.console.line)
	if err != nil {
		return err
	}
	defer tty.Close()
	i.output = output
	complaints, log, err := sandboxdir.MakeOutput(i.home.complaints(), i.complain.line)
	if err != nil {
		i.output.End(0)
		return err
	}
	defer log.Close()
	i.complain.output = complaints
	cmd.Stdout, cmd.Stderr = tty, log
	// The variable is how Sweep finds it. A session of its own keeps signals of the node's terminal away.
	cmd.Env = []string{AgentIDVariable + "=" + i.id}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := i.startIn(cmd); err != nil {
		i.output.End(0)
		i.complain.output.End(0)
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	i.process, err = proctree.Identify(cmd.Process.Pid) // until it is waited for it is there
	go i.watch(i.awaitChild)                            // ends with the process
	go keep()                                           // ends with the process
	go i.run()                                          // ends with those two; Destroy waits for it
	if err == nil {
		err = sandboxdir.WriteRecord(string(i.home), sandboxdir.Record{Process: i.process})
	}
	if err != nil {
		i.discard(context.Background())
	}
	return err
}

// startIn starts the process in its network namespace, or in one with nothing in it.
func (i *instance) startIn(cmd *exec.Cmd) error {
	if i.namespace != "" {
		return inNamespace(i.namespace, func() error { return i.group.Start(cmd) })
	}
	if isRoot() {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	}
	return i.group.Start(cmd)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // nothing was written
	}
}

// silentError is for an init that does not call.
type silentError struct{ after time.Duration }

func (e silentError) Error() string {
	return fmt.Sprintf("the init of the machine does not call within %v: see whether its kernel needs kernel_modules, and whether this machine is overloaded", e.after)
}

// settle returns once the agent has its bootstrap document.
func (i *instance) settle(ctx context.Context, spec sandbox.Spec, net *guest.Network) error {
	within := i.driver.startTimeout
	if i.machine.Snapshot != "" {
		within /= 2 // should it be of no use there is time to boot
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, silentError{within})
	defer cancel()
	s, err := i.current(ctx)
	if err != nil {
		return err
	}
	entropy := make([]byte, entropyBytes)
	_, _ = rand.Read(entropy) // it never fails
	return s.Boot(ctx, guest.Boot{
		ID: i.id, Bootstrap: spec.Bootstrap, Time: time.Now(), Entropy: entropy,
		Network: net, Limits: guestLimits(spec.Settings.Limits),
	})
}

// problem ends the sandbox and says why it could not be started. It is nil if the agent has run, and ended.
func (i *instance) problem(ctx context.Context, err error) error {
	select {
	case <-i.gone: // by itself
	default:
		if errors.Is(err, guest.ErrSessionOver) { // it is about to
			i.awaitEnd(ctx)
		}
	}
	i.discard(ctx)
	i.mu.Lock()
	told, failed := i.told, i.failed
	i.mu.Unlock()
	words := i.console.lastWords()
	switch {
	case told != nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed != nil && !errors.Is(failed, context.Canceled):
		if said := i.complaint(); said != "" {
			failed = fmt.Errorf("%w: %s", failed, said)
		}
		return failed
	}
	if said := i.complaint(); said != "" {
		return fmt.Errorf("%s says %q: see whether nex node preflight finds something wrong with the machine's files", i.driver.vmm.Name(), said)
	}
	if errors.Is(err, errEnded) {
		err = errors.New("the machine has ended before its init called: look whether its kernel, kernel_modules and root file system fit together")
	}
	if words != "" {
		err = fmt.Errorf("%w; its console ends with %q", err, words)
	}
	return err
}

// awaitEnd waits a moment for the end of a machine.
func (i *instance) awaitEnd(ctx context.Context) {
	ctx, cancel := undoing(ctx)
	defer cancel()
	select {
	case <-i.gone:
	case <-ctx.Done():
	}
}
