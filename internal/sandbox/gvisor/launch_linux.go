package gvisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// outputDelay is how long output is read after runsc has ended, should anybody hold it open.
const outputDelay = 2 * time.Second

// statusPatience bounds the pause between two tries to find out the state of a sandbox, and with it how often
// it is tried: an agent that has ended at once leaves runsc busy for a moment.
const statusPatience = 2 * time.Second

// launch starts runsc and returns once the agent's process runs inside. When it fails nothing runs.
func (i *instance) launch(ctx context.Context, spec sandbox.Spec) (err error) {
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	defer told.Close()
	// It outlives us, and whoever writes to it need not know that we are gone.
	output, agent, err := sandboxdir.MakeOutput(i.home.output(), spec.Log)
	if err != nil {
		return err
	}
	i.cmd, i.await, i.output = i.driver.runsc.run(i.home, spec), i.awaitChild, output
	i.cmd.Stdin = bytes.NewReader(bytes.Clone(spec.Bootstrap))
	i.cmd.Stdout, i.cmd.Stderr = agent, agent
	i.cmd.WaitDelay = outputDelay
	i.cmd.ExtraFiles = []*os.File{told}
	err = i.group.Start(i.cmd)
	_, _ = told.Close(), agent.Close() // runsc has them
	if err != nil {
		i.output.End(0)
		return fmt.Errorf("start %s: %w", i.cmd.Path, err)
	}
	i.runsc, err = proctree.Identify(i.cmd.Process.Pid) // until run waits for it it is there
	go i.run()                                          // ends with runsc; Destroy waits for it
	if err == nil {
		err = i.settle(ctx, ready)
	}
	if err != nil {
		i.discard(ctx)
	}
	return err
}

// settle returns once the agent's process runs, or has run.
func (i *instance) settle(ctx context.Context, ready *os.File) error {
	pid, err := awaitPID(ctx, ready)
	if err == nil {
		err = i.know(pid)
	}
	if err == nil {
		err = i.awaitRunning(ctx)
	}
	if n := i.handle.Settings.Limits.PIDs; err == nil && n > 0 {
		err = i.limitPIDs(ctx, n)
	}
	if err == nil {
		err = i.record(i.handle)
	}
	if err != nil {
		return i.problem(ctx, err)
	}
	return nil
}

// know finds out who the kernel is, and writes it down for Sweep.
func (i *instance) know(pid int) error {
	kernel, err := proctree.Identify(pid)
	if errors.Is(err, proctree.ErrNotFound) { // it was quick, and runsc is about to end, too
		<-i.done
		return errEnded
	}
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.kernel = kernel
	i.mu.Unlock()
	return sandboxdir.WriteRecord(string(i.home), sandboxdir.Record{Process: i.runsc, Others: []proctree.Identity{kernel}})
}

// limitPIDs sets the number of processes inside. It must not be called before the agent's process runs: the
// kernel has no groups then, and crashes.
func (i *instance) limitPIDs(ctx context.Context, n int) error {
	err := i.driver.runsc.limitPIDs(ctx, i.home, n)
	if err == nil || ctx.Err() != nil {
		return err
	}
	// If the sandbox is about to end that is the reason.
	timer := time.NewTimer(statusPatience)
	defer timer.Stop()
	select {
	case <-i.done:
		return errEnded
	case <-timer.C:
		return err
	}
}

// problem ends the sandbox and says why it could not be started: runsc knows it better than err. It is nil
// if the agent has run, and ended.
func (i *instance) problem(ctx context.Context, err error) error {
	i.discard(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if said := i.home.complaint(); said != nil {
		return said
	}
	if words := i.home.lastWords(); words != "" {
		return fmt.Errorf("the kernel of the sandbox crashed: %s", words)
	}
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

// awaitPID reads the number of a process from the pipe, which ends early if runsc does.
func awaitPID(ctx context.Context, ready *os.File) (int, error) {
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// The number comes in one piece, and the pipe stays open.
	buf := make([]byte, 32)
	n, err := ready.Read(buf)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return 0, errors.New("runsc has ended before the sandbox was there")
	case err != nil:
		return 0, err
	}
	pid, err := strconv.Atoi(string(buf[:n]))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("runsc says that the sandbox is process %q", buf[:n])
	}
	return pid, nil
}

// awaitRunning returns once the agent's process runs. While runsc starts it, whoever asks for the state waits
// for a lock, so that the first answer is the right one, but for him who comes between two steps of runsc.
func (i *instance) awaitRunning(ctx context.Context) error {
	for pause := time.Millisecond; ; pause *= 2 {
		status, err := i.driver.runsc.status(ctx, i.home)
		switch {
		case err == nil && status == statusRunning:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && pause > statusPatience:
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-i.done:
			timer.Stop()
			return errEnded
		case <-timer.C:
		}
	}
}
