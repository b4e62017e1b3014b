package sandboxtest

import (
	"context"
	"errors"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

func checkDestroyKillsTree(r *rig) {
	for _, how := range []string{"", plan.Bare} {
		i := r.start(plan.Do(plan.Deaf), plan.Text(plan.Leave, how), plan.Text(plan.Leave, how), plan.Do(plan.Hang))
		first, second := i.process("daemon"), i.process("daemon")
		agent := i.process("pid")
		i.say("hang")
		i.destroy()
		r.wantGone(agent, "the agent")
		r.wantGone(first, "a process without parent")
		r.wantGone(second, "a process without parent")
		select {
		case <-i.Done():
		default:
			r.Error("Destroy has returned, but Done is not closed")
		}
		if i.Exit().Success() {
			r.Error("an agent that was killed counts as successful")
		}
		r.wantEmpty()
	}
}

func checkDestroyIsIdempotent(r *rig) {
	ended := r.start(plan.Number(plan.Exit, 0))
	ended.end()
	for _, i := range []running{r.start(plan.Do(plan.Hang)), ended} {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { i.destroy() })
		}
		group.Wait()
		i.destroy()
	}
	r.wantEmpty()
}

func checkDestroyWithoutTime(r *rig) {
	i := r.start(plan.Do(plan.Deaf), plan.Do(plan.Hang))
	i.say("hang")
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	if err := i.Destroy(ctx); err != nil && !errors.Is(err, context.Canceled) {
		r.Errorf("Destroy = %v, want nil or %v", err, context.Canceled)
	}
	i.destroy()
	r.wantEmpty()
}

func checkDestroyRemovesClutter(r *rig) {
	i := r.start(plan.Do(plan.Clutter), plan.Number(plan.Exit, 0))
	i.end()
	if said := i.log.values("error"); len(said) > 0 {
		r.Fatalf("the agent says %q", said)
	}
	i.destroy()
	r.wantEmpty()
}
