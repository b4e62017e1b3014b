package workload

import (
	"cmp"
	"context"
	"fmt"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/pool"
)

// leaseTimeout bounds how long a start waits for an agent, besides what a sandbox takes to start.
const leaseTimeout = 10 * time.Second

// outcome is how one run ended.
type outcome struct {
	err    error         // why it did not start, or how it was lost
	exit   *nex.Exit     // how the program ended; nil if that is not known
	killed error         // why a program that was to stop had to be killed with its sandbox
	ran    time.Duration // how long the program ran
	what   string        // what ran: the program, the function
	suffix string        // added to the reason
	left   bool          // it goes on: the node has left it
	early  bool          // for want of what is around the program, which says nothing of it
}

func (o outcome) reason() string {
	switch {
	case o.err != nil:
		return o.err.Error() + o.suffix
	case o.exit != nil:
		return cmp.Or(o.what, "the program") + " " + o.exit.String() + o.suffix
	}
	return "ended" + o.suffix
}

// success reports whether the program has ended as it should.
func (o outcome) success() bool { return o.err == nil && o.exit != nil && o.exit.Success() }

// again reports whether a policy says that the program is started again.
func (o outcome) again(p nex.RestartPolicy) bool {
	return p == nex.RestartAlways || p == nex.RestartOnFailure && !o.success()
}

// once runs the program from its artifact to its end. When it returns nothing of the run is left, unless the
// node has left it.
func (w *Workload) once() outcome {
	if refuse := w.m.cfg.Refuse; refuse != nil && w.adopted != nil { // others were asked about before
		if err := refuse(w.spec); err != nil {
			return outcome{err: err, early: true}
		}
	}
	g, err := w.fetch()
	if err != nil {
		return outcome{err: err, early: true}
	}
	defer g.release()
	if err := w.openFunction(); err != nil {
		return outcome{err: err, early: true}
	}
	agent, err := w.lease(g.rootfs())
	if err != nil {
		return outcome{err: err, early: true}
	}
	end := w.runOn(agent, g)
	if !end.left {
		agent.Release()
	}
	return end
}

// runOn runs the program on an agent.
func (w *Workload) runOn(agent *pool.Agent, g goods) outcome {
	in, err := w.stage(g, agent)
	if err != nil {
		return outcome{err: err, early: true}
	}
	durable, err := w.keepAgent(agent.ID, g.digest)
	if err != nil {
		return outcome{err: err, early: true}
	}
	defer func() { _ = durable() }() // lest it be written after what follows
	return w.supervise(agent, in, g, durable)
}

// lease takes an agent whose sandbox is what the workload needs.
func (w *Workload) lease(rootfs string) (*pool.Agent, error) {
	within := leaseTimeout + w.m.cfg.Capabilities.StartTimeout
	ctx, cancel := context.WithTimeoutCause(w.starting, within, fmt.Errorf("all others are taken, and none came up within %s", within))
	defer cancel()
	need := pool.Need{Network: !w.spec.Type.Function(), Rootfs: rootfs}
	if w.m.cfg.Settings != nil {
		need.Settings = w.m.cfg.Settings(w.spec)
	}
	return w.m.cfg.Agents.Lease(ctx, need)
}

// run is one run of the program: what its agent tells.
type run struct {
	events linkhost.Events
	exited chan nex.Exit // has room for the one exit
}

// newRun makes a run, on an agent, of what has the digest.
func (w *Workload) newRun(agentID, digest string) run {
	r := run{exited: make(chan nex.Exit, 1)}
	r.events = linkhost.Events{
		Logs:  w.logs,
		Heard: w.m.cfg.Publisher.Flushed,
		Exited: func(e nex.Exit) (recorded bool) {
			if w.m.leaving() {
				return false // the next process hears it
			}
			err := w.keepExit(agentID, e)
			select {
			case r.exited <- e:
			default: // an agent that says it twice is not heard twice
			}
			return err == nil
		},
	}
	if w.spec.Type.Function() {
		w.addFunctionEvents(&r.events, digest)
	}
	return r
}

// supervise starts the program on the agent and waits for its end, or for a request to stop it.
func (w *Workload) supervise(agent *pool.Agent, in staged, g goods, durable func() error) outcome {
	run := w.newRun(agent.ID, g.digest)
	deploy := agentlink.Deploy{
		WorkloadID: w.spec.ID, Name: w.spec.Name, Namespace: w.spec.Namespace, Type: w.spec.Type,
		Path: in.artifact, Digest: g.digest, Argv: w.spec.Argv, Environment: w.environment(), Image: g.run,
	}
	if w.function != nil {
		settings := w.function.Settings()
		settings.Compiled = in.compiled
		deploy.Function = &settings
	}
	if err := w.start(agent, deploy, run.events); err != nil {
		// A program that ends at once can be gone, and its agent too, before the answer is here.
		if exit := lastWord(agent, run.exited); exit != nil && w.function == nil {
			w.running(g.digest)
			return outcome{exit: exit}
		}
		return outcome{err: err}
	}
	if err := durable(); err != nil {
		return outcome{err: err, early: true}
	}
	if w.function != nil {
		if err := w.function.Attach(agent.Link, g.digest); err != nil {
			return outcome{err: err, early: nex.CodeOf(err) != nex.CodeTriggerDenied}
		}
	}
	w.running(g.digest)
	return w.attend(agent, run)
}

// attend stays with what runs until its end.
func (w *Workload) attend(agent *pool.Agent, run run) outcome {
	end := w.await(agent, run.exited)
	if end.left {
		return end
	}
	end.ran = time.Since(w.Status().Started)
	end.what = "the " + w.kind()
	w.abandon(agent.Link, end)
	return end
}

// await waits for the end of a program that runs.
func (w *Workload) await(agent *pool.Agent, exited <-chan nex.Exit) outcome {
	select {
	case exit := <-exited:
		return outcome{exit: &exit}
	case <-agent.Instance.Done():
		if exit := lastWord(agent, exited); exit != nil {
			return outcome{exit: exit}
		}
		lost := outcome{err: fmt.Errorf("the agent %s, and the %s with it", agent.Instance.Exit(), w.kind())}
		if exit := agent.Instance.Exit(); exit.OOM { // then it is the program that took too much
			lost.exit = &exit
		}
		return lost
	case <-agent.Link.Lost():
		return outcome{err: fmt.Errorf("the link to the agent is lost, and the %s with it", w.kind())}
	case <-w.ctx.Done():
		return w.undeploy(agent, exited)
	case <-w.m.left:
		select {
		case exit := <-exited:
			return outcome{exit: &exit}
		case <-w.ctx.Done():
			return w.undeploy(agent, exited)
		default:
			return w.leave()
		}
	}
}

// kind is what runs, for sentences.
func (w *Workload) kind() string {
	if w.spec.Type.Function() {
		return "function"
	}
	return "program"
}

// undeploy stops a program that runs.
func (w *Workload) undeploy(agent *pool.Agent, exited <-chan nex.Exit) outcome {
	w.move(nex.StateStopping, w.whyStopped(), nil)
	ctx, release := until(context.Background(), func(ctx context.Context) error {
		select {
		case <-agent.Instance.Done():
			return fmt.Errorf("the agent %s", agent.Instance.Exit())
		case <-w.m.hurried:
			return errHurried
		case <-ctx.Done():
			return nil
		}
	})
	defer release()
	exit, err := agent.Link.Undeploy(ctx, w.drain(ctx))
	if err == nil {
		return outcome{exit: &exit}
	}
	if exit := lastWord(agent, exited); exit != nil {
		return outcome{exit: exit}
	}
	return outcome{killed: err}
}

// lastWord returns how the program ended if the agent has told that.
func lastWord(agent *pool.Agent, exited <-chan nex.Exit) *nex.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = agent.Link.CatchUp(ctx) // what it said is worth a moment, no more
	select {
	case exit := <-exited:
		return &exit
	default:
		return nil
	}
}
