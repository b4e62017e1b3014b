package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/artifact"
	"github.com/nex-engine/nex/internal/pool"
	"github.com/nex-engine/nex/internal/program"
)

// Bounds of one start.
const (
	leaseTimeout  = 10 * time.Second // for an agent
	deployTimeout = 30 * time.Second // for an agent to start the program
)

const noteLevel = int(slog.LevelWarn)

// outcome is how one run ended.
type outcome struct {
	err    error         // why it did not start, or how it was lost
	exit   *nex.Exit     // how the program ended; nil if that is not known
	ran    time.Duration // how long the program ran
	suffix string        // added to the reason
}

func (o outcome) reason() string {
	switch {
	case o.err != nil:
		return o.err.Error() + o.suffix
	case o.exit != nil:
		return "the program " + o.exit.String() + o.suffix
	}
	return "ended" + o.suffix
}

// once runs the program from its artifact to its end. When it returns nothing of the run is left.
func (w *Workload) once() outcome {
	file, err := w.fetch()
	if err != nil {
		return outcome{err: err}
	}
	agent, err := w.lease()
	if err != nil {
		file.Release()
		return outcome{err: err}
	}
	defer agent.Release()
	path, err := agent.Instance.Stage(w.ctx, file.Path)
	digest := file.Digest
	file.Release()
	if err != nil {
		return outcome{err: nex.Errorf(nex.CodeStartFailed, "put artifact into sandbox: %v", err)}
	}
	return w.supervise(agent, path, digest)
}

// fetch brings the artifact here and looks whether it can run, the cheapest check first.
func (w *Workload) fetch() (*artifact.File, error) {
	limits := w.m.cfg.Limits
	ref := artifact.Ref{Location: w.spec.Location, JSDomain: w.spec.JSDomain, Digest: w.spec.Digest, MaxBytes: limits.WorkloadBytes}
	size, err := w.m.cfg.Artifacts.Check(w.ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := w.m.reserve(w, size); err != nil {
		return nil, err
	}
	file, err := w.m.cfg.Artifacts.Fetch(w.ctx, ref)
	if err != nil {
		return nil, err
	}
	c := w.m.cfg.Capabilities
	if err := program.CheckFile(file.Path, program.Target{OS: c.OS, Arch: c.Arch, HostLibraries: c.HostLibraries}); err != nil {
		file.Release()
		return nil, err
	}
	return file, nil
}

func (w *Workload) lease() (*pool.Agent, error) {
	ctx, cancel := context.WithTimeout(w.ctx, leaseTimeout)
	defer cancel()
	return w.m.cfg.Agents.Lease(ctx)
}

// supervise starts the program on the agent and waits for its end, or for a request to stop it.
func (w *Workload) supervise(agent *pool.Agent, path, digest string) outcome {
	exited := make(chan nex.Exit, 1)
	events := linkhost.Events{
		Logs: w.logs,
		Exited: func(e nex.Exit) {
			select {
			case exited <- e:
			default: // an agent that says it twice is not heard twice
			}
		},
	}
	// The start is bounded, and ends early with the agent; a request to stop lets it finish, so that
	// the agent is in a known state.
	ctx, cancel := untilEnd(agent, deployTimeout)
	_, err := agent.Link.Deploy(ctx, agentlink.Deploy{
		WorkloadID: w.spec.ID, Name: w.spec.Name, Namespace: w.spec.Namespace, Type: w.spec.Type,
		Path: path, Digest: digest, Argv: w.spec.Argv, Environment: w.spec.Environment,
	}, events)
	cancel()
	if err != nil {
		return outcome{err: startError(err)}
	}
	started := time.Now()
	w.running(digest)
	end := w.await(agent, exited)
	end.ran = time.Since(started)
	return end
}

// await waits for the end of a program that runs.
func (w *Workload) await(agent *pool.Agent, exited <-chan nex.Exit) outcome {
	select {
	case exit := <-exited:
		return outcome{exit: &exit}
	case <-agent.Instance.Done():
		return lost(agent, exited)
	case <-w.ctx.Done():
	}
	w.mu.Lock()
	grace := w.grace
	w.mu.Unlock()
	w.move(nex.StateStopping, "stopped on request", nil)
	ctx, cancel := untilEnd(agent, grace+deployTimeout)
	defer cancel()
	exit, err := agent.Link.Undeploy(ctx, grace)
	if err != nil {
		select {
		case exit := <-exited:
			return outcome{exit: &exit}
		default:
			return outcome{err: err} // the sandbox is killed with everything in it
		}
	}
	return outcome{exit: &exit}
}

// lost is the outcome when the agent has ended: of the program's own end if it told that before.
func lost(agent *pool.Agent, exited <-chan nex.Exit) outcome {
	select {
	case exit := <-exited:
		return outcome{exit: &exit}
	default:
		return outcome{err: fmt.Errorf("the agent %s, and the program with it", agent.Instance.Exit())}
	}
}

// untilEnd makes a context that ends with the agent's sandbox or after a while. It is not bound to
// the workload's own, which ends when a stop is asked for.
func untilEnd(agent *pool.Agent, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	cause, cancelCause := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-agent.Instance.Done():
			cancelCause(fmt.Errorf("the agent %s", agent.Instance.Exit()))
		case <-cause.Done():
		}
	}()
	return cause, func() { cancel(); <-stopped }
}

// startError gives a failed start a code, if it has none.
func startError(err error) error {
	var known *nex.Error
	if errors.As(err, &known) {
		return err
	}
	return nex.Errorf(nex.CodeStartFailed, "start program: %v", err)
}
