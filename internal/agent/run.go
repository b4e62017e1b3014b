package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/runas"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/proctree"
)

// Config is what an agent is started with.
type Config struct {
	// Bootstrap is where the bootstrap document comes from. Required.
	Bootstrap io.Reader
	// Logger gets what the agent has to say of itself; nothing of the workload. Nil discards.
	Logger *slog.Logger
	// WorkDir is the workload's working directory and home; default is the current directory.
	WorkDir string
	// TempDir is the workload's TMPDIR; default is WorkDir.
	TempDir string
	// User is as whom programs run, if that is not the agent's own user.
	User *runas.User
}

// ErrLinkLost means that the node is gone, and there is no workload to wait with for the next one.
var ErrLinkLost = errors.New("the link to the node is lost")

// Keys of log attributes.
const (
	attrWorkload = "workload"
	attrPID      = "pid"
	attrError    = "error"
)

// How long the node may take to answer.
const (
	handshakeTimeout = 10 * time.Second
	exitedTimeout    = 5 * time.Second
)

// Run is the life of an agent. It blocks until its workload has ended, or was stopped, nothing of it is left,
// and a node knows. The error is nil then; it is [ErrLinkLost] if the node went away before there was a workload,
// [ErrOrphaned] or [ErrNodeGone] if it went away later and did not come back, and ctx's cause if ctx was cancelled, and in all
// these cases the workload was killed.
//
// Run changes the process: it becomes the parent of orphaned processes below it and, on linux,
// cannot be looked into by other processes of the same user. So it is called once, in a process that
// does nothing else.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	harden(cfg.Logger)
	bootstrap, err := awaitBootstrap(ctx, cfg.Bootstrap)
	if err != nil {
		return err
	}
	conn, err := agentlink.Dial(bootstrap)
	if err != nil {
		return err
	}
	a := newAgent(cfg, bootstrap, conn)
	a.waker, _ = agentlink.OpenWaker(bootstrap) // without it all goes on, a little slower
	defer a.closeLog()
	defer a.up.close()
	ctx, cancel := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() {
		defer a.closeWaker()
		a.keep(ctx, cancel)
	})
	defer keeping.Wait()
	defer cancel(nil)
	defer a.end(nex.Exit{})
	if err := conn.Serve(a); err != nil {
		return err
	}
	if err := introduce(ctx, conn, bootstrap.AgentID, nil); err != nil {
		if isClosed(conn.Lost()) {
			err = fmt.Errorf("%w: %w", ErrLinkLost, err)
		}
		return err
	}
	return a.run(ctx)
}

func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.WorkDir == "" {
		dir, err := os.Getwd()
		if err != nil {
			return c, fmt.Errorf("find working directory: %w", err)
		}
		c.WorkDir = dir
	}
	if c.TempDir == "" {
		c.TempDir = c.WorkDir
	}
	return c, nil
}

// harden protects the agent's secrets from its workload, and its workload's processes from getting
// lost. A sandbox without the one or the other is still better than no workload.
func harden(log *slog.Logger) {
	if err := hideMemory(); err != nil {
		log.Warn("the workload may be able to read the agent's memory", attrError, err)
	}
	if err := proctree.SetSubreaper(); err != nil {
		log.Warn("orphaned processes of the workload may be hard to find", attrError, err)
	}
}

// introduce tells the node who the agent is, and what it holds.
func introduce(ctx context.Context, conn *agentlink.Conn, id string, held *agentlink.Held) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	_, err := conn.Handshake(ctx, agentlink.Handshake{
		AgentID: id,
		Version: nex.Version,
		OS:      runtime.GOOS,
		Arch:    runtime.GOARCH,
		Types:   types(),
		Held:    held,
	})
	return err
}
