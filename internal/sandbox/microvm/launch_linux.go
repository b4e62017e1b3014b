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
		var err error
		if net, err = i.plug(); err != nil {
			return fmt.Errorf("connect the machine to its network: %w", err)
		}
	}
	if err := i.begin(spec.Log, func() { i.keep(nil, true) }); err != nil {
		return err
	}
	err := i.settle(ctx, spec, net)
	if err != nil {
		err = i.problem(ctx, err)
	}
	return err
}

// begin starts the process, and what sees it to its end. The function keep, which runs as long as the machine, lets
// it run and closes talk.kept.
func (i *instance) begin(logLine func(string), keep func()) error {
	log, err := os.OpenFile(i.home.log(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := i.driver.vmm.Command(i.machine)
	if err != nil {
		return err
	}
	defer closeAll(cmd.ExtraFiles)
	i.console = i.listen(logLine)
	// It outlives us, and whoever writes to it need not know that we are gone.
	output, tty, err := sandboxdir.MakeOutput(i.home.output(), i.console.line)
	if err != nil {
		return err
	}
	defer tty.Close()
	i.output, i.cmd = output, cmd
	cmd.Stdout, cmd.Stderr = tty, log
	// The variable is how Sweep finds it. A session of its own keeps signals of the node's terminal away.
	cmd.Env = []string{AgentIDVariable + "=" + i.id}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := i.startIn(cmd); err != nil {
		i.output.End(0)
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

// startIn starts the process in the sandbox's network, or in one with nothing in it.
func (i *instance) startIn(cmd *exec.Cmd) error {
	if i.endpoint != nil {
		return inNamespace(i.endpoint.Namespace(), func() error { return i.group.Start(cmd) })
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
	return fmt.Sprintf("the init of the machine does not call within %v", e.after)
}

// settle returns once the agent has its bootstrap document.
func (i *instance) settle(ctx context.Context, spec sandbox.Spec, net *guest.Network) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.driver.startTimeout, silentError{i.driver.startTimeout})
	defer cancel()
	s, err := i.current(ctx)
	if err != nil {
		return err
	}
	entropy := make([]byte, entropyBytes)
	_, _ = rand.Read(entropy) // it never fails
	err = s.Boot(ctx, guest.Boot{
		ID: i.id, Bootstrap: spec.Bootstrap, Time: time.Now(), Entropy: entropy,
		Network: net, Limits: guestLimits(spec.Settings.Limits),
	})
	if err != nil {
		return err
	}
	return i.record(i.handle)
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
	case failed != nil && (i.machine.Snapshot != "" || !errors.Is(failed, context.Canceled)):
		if said := i.complaint(); said != "" {
			failed = fmt.Errorf("%w: %s", failed, said)
		}
		return failed
	}
	if said := i.complaint(); said != "" {
		return fmt.Errorf("%s: %s", i.driver.vmm.Name(), said)
	}
	if errors.Is(err, errEnded) {
		err = errors.New("the machine has ended before its init called: look whether its kernel and root file system fit together")
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
