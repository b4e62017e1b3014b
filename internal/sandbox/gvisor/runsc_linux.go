package gvisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/nex-engine/nex/internal/sandbox"
)

// runsc is the program that makes sandboxes.
type runsc struct {
	path string
	// rootless says that the node's user is not root. Its sandboxes are in a user namespace.
	rootless bool
}

// command is a runsc command for the sandbox with this directory.
func (r runsc) command(h home, network bool, disk int64, args ...string) *exec.Cmd {
	net, overlay := "none", "root:dir="+string(h)
	if network {
		net = "sandbox"
	}
	if disk > 0 {
		overlay += ",size=" + strconv.FormatInt(disk, 10)
	}
	cmd := exec.Command(r.path,
		"--root="+h.state(),
		"--platform=systrap", "--network="+net,
		// What is written goes to a file in this directory, which has no name.
		"--overlay2="+overlay,
		// The kernel has no rights of its own on files of the host. There are a socket and a FIFO, in the LinkDir.
		"--directfs=false", "--host-uds=open", "--host-fifo=open",
		"--rootless="+strconv.FormatBool(r.rootless),
		// Groups on the host are ours to make; this is the kind inside.
		"--ignore-cgroups", "--in-sandbox-cgroup=v2",
		// The default is one for all, which is left mounted.
		"--gofer-network-namespace=new",
		"--host-settings=ignore",
	)
	cmd.Args = append(cmd.Args, args...)
	cmd.Args[0] = "runsc"
	// A session of its own keeps signals of the node's terminal away. The variable is how Sweep finds it.
	cmd.Env = []string{AgentIDVariable + "=" + h.id()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// run is the command whose life is the sandbox's. The child's file ready gets the number of the process
// that is the kernel once that runs.
func (r runsc) run(h home, spec sandbox.Spec) *exec.Cmd {
	const ready = "/dev/fd/3"
	cmd := r.command(h, spec.Network, spec.Settings.Limits.DiskBytes, "run", "--bundle="+string(h), "--pid-file="+ready, h.id())
	cmd.Args = slices.Insert(cmd.Args, 1, "--log="+h.log(), "--log-format=json", "--panic-log="+h.panics())
	return cmd
}

// statusRunning is the status of a sandbox whose agent has been started.
const statusRunning = "running"

// status is what runsc says of the sandbox.
func (r runsc) status(ctx context.Context, h home) (string, error) {
	out, err := r.ask(ctx, r.command(h, false, 0, "state", h.id()))
	if err != nil {
		return "", fmt.Errorf("find out the state of the sandbox: %w", err)
	}
	var state struct{ Status string }
	if err := json.Unmarshal(out, &state); err != nil {
		return "", fmt.Errorf("find out the state of the sandbox: %w", err)
	}
	return state.Status, nil
}

// limitPIDs sets how many processes and threads there may be in a sandbox; 0 is no bound.
func (r runsc) limitPIDs(ctx context.Context, h home, n int) error {
	most := "max"
	if n > 0 {
		most = strconv.Itoa(n)
	}
	if _, err := r.ask(ctx, r.command(h, false, 0, "write-control", h.id(), "pids", "/"+h.id(), "pids.max", most)); err != nil {
		return fmt.Errorf("limit processes of the sandbox: %w", err)
	}
	return nil
}

// ask runs a command that ends soon, and returns its output.
func (r runsc) ask(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = outputDelay // it may have started itself again as another user
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.Bytes(), nil
}

// complaint is the last error in the log of runsc, or nil.
func (h home) complaint() error {
	lines := bytes.Split(readTail(h.log(), 16<<10), []byte{'\n'})
	for i := len(lines) - 1; i >= 0; i-- {
		var line struct{ Msg, Level string }
		if json.Unmarshal(lines[i], &line) == nil && (line.Level == "error" || line.Level == "fatal") && line.Msg != "" {
			return errors.New("runsc: " + strings.TrimSpace(line.Msg))
		}
	}
	return nil
}

// lastWords is why the kernel inside crashed; empty if it did not. It complains of lesser things in the
// same file.
func (h home) lastWords() string {
	for line := range strings.Lines(string(readTail(h.panics(), 1<<20))) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
