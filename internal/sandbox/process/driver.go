package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
	"github.com/nex-engine/nex/internal/unwind"
)

// Keys of log attributes.
const (
	attrAgent = "agent"
	attrError = "error"
)

// Name is the driver's name.
const Name = "process"

// AgentIDVariable is the environment variable that holds the id of the sandbox. The agent hands it
// on to its workload.
const AgentIDVariable = "NEX_AGENT_ID"

// Config is what a Driver needs.
type Config struct {
	// AgentPath is the nex-agent program. Required.
	AgentPath string
	// Dir is the directory for the driver's state; it is made when it is missing. Required, and not
	// shared with another node.
	Dir string
	// Cgroups makes the control groups of agents, by which their limits hold. It stays the caller's, who
	// closes it last. Nil means that there are none.
	Cgroups *cgroup.Manager
	// Logger gets what cannot be returned to a caller. Nil discards.
	Logger *slog.Logger
}

// Driver starts agents as ordinary processes. It is safe for concurrent use.
type Driver struct {
	agent   string
	dir     string
	cgroups *cgroup.Manager
	limits  sandbox.LimitSet
	log     *slog.Logger
	owned   sandboxdir.Owned
}

var (
	_ sandbox.Driver  = (*Driver)(nil)
	_ sandbox.Sweeper = (*Driver)(nil)
)

// New checks the configuration. It makes nothing.
func New(c Config) (*Driver, error) {
	if c.Dir == "" {
		return nil, errors.New("sandbox driver process: Dir is missing: set the node's data directory")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox driver process: find directory %s: %w", c.Dir, err)
	}
	agent, err := findAgent(c.AgentPath)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Driver{agent: agent, dir: dir, cgroups: c.Cgroups, limits: limitSet(c.Cgroups.Limits()), log: c.Logger}, nil
}

// findAgent returns the absolute path of the agent program if it can be run.
func findAgent(path string) (string, error) {
	if path == "" {
		return "", errors.New("agent program is missing: set bin_path to the directory of nex-agent")
	}
	problem := func(err error) error {
		return fmt.Errorf("agent program %s cannot be run: set bin_path to the directory of nex-agent: %w", path, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", problem(err)
	}
	// LookPath of a path with a separator looks nowhere else, and checks that the file is one that
	// can be executed here.
	if abs, err = exec.LookPath(abs); err != nil {
		var e *exec.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return "", problem(err)
	}
	return abs, nil
}

// Capabilities says what the driver's sandboxes are like: the machine itself.
func (d *Driver) Capabilities() sandbox.Capabilities {
	return sandbox.Capabilities{
		Driver:        Name,
		Level:         nex.SandboxNone,
		OS:            runtime.GOOS,
		Arch:          runtime.GOARCH,
		HostLibraries: true,
		HostNetwork:   true,
		Limits:        d.limits,
	}
}

// Start starts an agent. See [sandbox.Driver].
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (_ sandbox.Instance, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start agent: %w", context.Cause(ctx))
	}
	if err := sandboxdir.CheckID(spec.ID); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	if err := d.check(spec.Settings.Limits); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	agent, err := findAgent(d.agent)
	if err != nil {
		return nil, err
	}
	if err := d.owned.Take(spec.ID); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	undo.Add(func() { d.owned.Release(spec.ID) })
	h, err := makeHome(d.dir, spec.ID)
	if err != nil {
		return nil, err
	}
	undo.Add(func() { d.logged(spec.ID, "remove sandbox directory", sandboxdir.Remove(string(h))) })

	group, err := d.cgroups.Create(spec.ID, spec.Settings.Limits)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	undo.Add(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killRound)
		defer cancel()
		d.logged(spec.ID, "remove control group", group.Remove(ctx))
	})

	i := &instance{driver: d, id: spec.ID, home: h, group: group, limits: spec.Settings.Limits}
	if err := i.launch(agent, spec); err != nil {
		return nil, fmt.Errorf("start agent %s: %w", agent, err)
	}
	undo.Add(func() { i.discard(context.WithoutCancel(ctx)) })

	i.record = sandboxdir.Record{Process: i.tree.Root(), Started: time.Now().UTC()}
	if err := i.keep(i.limits); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start agent: %w", context.Cause(ctx))
	}
	return i, nil
}

// launch starts the agent.
func (i *instance) launch(agent string, spec sandbox.Spec) error {
	output, out, err := sandboxdir.MakeOutput(i.home.output(), spec.Log)
	if err != nil {
		return err
	}
	i.output = output
	cmd := command(agent, i.home, spec)
	cmd.Stdout, cmd.Stderr = out, out
	begin := limitFiles(i.group.Start, spec.Settings.Limits.OpenFiles)
	i.tree, err = proctree.Start(cmd, proctree.Outlive(), proctree.Marked(AgentIDVariable, spec.ID), proctree.StartedBy(begin))
	_ = out.Close() // the agent has its own
	if err != nil {
		output.End(outputDelay)
		return err
	}
	i.begin()
	return nil
}

func command(agent string, h home, spec sandbox.Spec) *exec.Cmd {
	cmd := exec.Command(agent)
	cmd.Args = []string{"nex-agent"}
	cmd.Dir = h.work()
	cmd.Env = environment(h, spec.ID)
	cmd.Stdin = bytes.NewReader(bytes.Clone(spec.Bootstrap))
	cmd.WaitDelay = outputDelay // should somebody hold the standard input open
	return cmd
}

// environment holds nothing of the node's, but what a program needs to start at all.
func environment(h home, id string) []string {
	env := []string{
		"PATH=" + defaultPath(),
		"HOME=" + h.work(),
		"TMPDIR=" + h.tmp(),
		AgentIDVariable + "=" + id,
	}
	return append(env, systemEnvironment(h)...)
}

func (d *Driver) logged(id, what string, err error) {
	if err != nil {
		d.log.Error(what, attrAgent, id, attrError, err)
	}
}
