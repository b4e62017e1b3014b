package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// invariant is what holds soon after a fault is over. The error says why it does not hold yet; if it is final
// it never will.
type invariant struct {
	name  string
	check func(*world, context.Context, *step) error
}

// invariants are checked in this order, each until it holds.
var invariants = []invariant{
	{"every workload runs once, or its end is told", (*world).runOnce},
	{"nothing that was stopped runs", (*world).stoppedStays},
	{"calls are answered", (*world).answers},
	{"nodes take work", (*world).takesWork},
	{"nothing is left behind", (*world).nothingLeft},
	{"no call was lost or doubled", (*world).callsAreCounted},
}

// final is an error that waiting does not mend.
type final struct{ error }

// settle waits until all invariants hold.
func (w *world) settle(ctx context.Context, s *step) error {
	for _, i := range invariants {
		if err := w.await(ctx, s, i); err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
	}
	return nil
}

func (w *world) await(ctx context.Context, s *step, i invariant) error {
	deadline := time.Now().Add(nextest.Patience)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := i.check(w, ctx, s)
		if err == nil || errors.As(err, new(final)) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(wait) // nobody tells of all these
	}
}

// runOnce: every workload that was accepted runs, as one instance, or its end is told with a reason, and no more
// of them have ended than the fault can be blamed for. Those that have ended are deployed again.
func (w *world) runOnce(ctx context.Context, s *step) error {
	now, err := w.look(ctx)
	if err != nil {
		return err
	}
	var ended, again []*workload
	for _, x := range w.mix {
		switch told, err := w.judge(x, now); {
		case err != nil:
			return err
		case told:
			ended = append(ended, x)
		case x.was != (identity{}) && x.was != now.identity(x):
			again = append(again, x)
		}
	}
	for _, x := range slices.Concat(ended, again) {
		if !s.blame(x) {
			return final{fmt.Errorf("%s has ended, and is %s", x, now.describe(x))}
		}
	}
	for _, x := range ended {
		if err := w.deploy(ctx, x); err != nil {
			return err
		}
	}
	if len(ended) > 0 {
		return errors.New("what has ended was just deployed again")
	}
	for _, x := range w.mix {
		x.was = now.identity(x)
	}
	return nil
}

// judge reports whether the end of a workload is told. The error says why it neither runs nor is told to
// have ended, as far as can be seen yet.
func (w *world) judge(x *workload, now sight) (told bool, err error) {
	instances := now.answering[x.name]
	if x.function() { // it answers once for each node
		instances = slices.DeleteFunc(slices.Clone(instances), func(id string) bool { return id != x.id })
		for _, id := range now.answering[x.name] {
			if !slices.ContainsFunc(w.mix, func(x *workload) bool { return x.id == id }) {
				return false, fmt.Errorf("function %s answers as %s, which nobody has deployed", x.name, id)
			}
		}
	}
	processes := len(instances)
	if w.level == nex.SandboxNone && !x.function() {
		processes = now.marks[x.marked]
	}
	m, known := now.known[x.id]
	switch {
	case known && m.State == nex.StateRunning && len(instances) == 1 && processes == 1:
		return false, nil
	case known && m.State.Ended() && m.Reason != "" && len(instances) == 0 && processes == 0:
		return true, nil
	case !known && x.policy == nex.RestartNever && len(instances) == 0 && processes == 0 && w.told.ended(x.id):
		return true, nil
	}
	return false, fmt.Errorf("%s is %s", x, now.describe(x))
}

func (s sight) identity(x *workload) identity {
	i := identity{restarts: s.known[x.id].Restarts}
	if !x.function() {
		i.instance = strings.Join(s.answering[x.name], " ")
	}
	return i
}

func (s sight) describe(x *workload) string {
	m, known := s.known[x.id]
	if !known {
		m.State, m.Reason = "unknown to its node", "none"
	}
	return fmt.Sprintf("%s (%s), started again %d times; answering as %q, with %d processes; it was %+v, its id is %s",
		m.State, m.Reason, m.Restarts, s.answering[x.name], s.marks[x.marked], x.was, x.id)
}

// stoppedStays: nothing runs that was stopped, nor what nobody has deployed.
func (w *world) stoppedStays(ctx context.Context, _ *step) error {
	now, err := w.look(ctx)
	if err != nil {
		return err
	}
	if err := w.churn.settle(ctx, now); err != nil {
		return err
	}
	for id, m := range now.known {
		if !m.State.Ended() && !slices.ContainsFunc(w.mix, func(x *workload) bool { return x.id == id }) {
			return fmt.Errorf("%s (%s) is %s, and is not one that runs", m.Workload.Name, id, m.State)
		}
	}
	for mark := range now.marks {
		if !slices.ContainsFunc(w.mix, func(x *workload) bool { return x.marked == mark }) {
			return fmt.Errorf("there is a process of %s, which does not run any more", mark)
		}
	}
	return nil
}

// answers: every workload answers calls that are made now.
func (w *world) answers(_ context.Context, s *step) error {
	for _, x := range w.mix {
		if !w.load.served(x.name, s.healed) {
			return fmt.Errorf("%s has answered no call since the fault was over", x)
		}
	}
	return nil
}

// takesWork: the node that the fault was about runs something new, and stops it.
func (w *world) takesWork(ctx context.Context, s *step) error {
	n := s.node
	name := fmt.Sprintf("%strial-%d", churnPrefix, s.number)
	answer, err := w.client.Deploy(ctx, w.deployment(name, n, nex.TypeNative, nex.RestartNever, name))
	if err != nil {
		return fmt.Errorf("deploy %s on node %s: %w", name, n.name, err)
	}
	if err := w.stop(ctx, n, answer.ID, name); err != nil {
		return final{fmt.Errorf("stop %s on node %s: %w", name, n.name, err)}
	}
	return nil
}

// callsAreCounted: see load.
func (w *world) callsAreCounted(context.Context, *step) error {
	if problems := w.load.verdict(); len(problems) > 0 {
		return final{errors.New(strings.Join(problems, "; "))}
	}
	return nil
}
