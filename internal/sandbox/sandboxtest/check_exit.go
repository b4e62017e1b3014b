package sandboxtest

import (
	"runtime"
	"sync"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

func checkStartThenExit(r *rig) {
	for _, code := range []int{0, 7} {
		id := newID()
		i := r.startPlan(id, plan.Plan{Steps: []plan.Step{plan.Number(plan.Exit, code)}})
		if i.ID() != id {
			r.Errorf("ID = %q, want %q", i.ID(), id)
		}
		if got, want := i.end(), (nex.Exit{Code: code}); got != want {
			r.Errorf("exit = %+v, want %+v", got, want)
		}
	}
}

func checkSignalDeath(r *rig) {
	if runtime.GOOS == "windows" {
		r.Skip("windows has no signals")
	}
	i := r.start(plan.Do(plan.Die))
	if got, want := i.end(), (nex.Exit{Code: -1, Signal: "SIGKILL"}); got != want {
		r.Errorf("exit = %+v, want %+v", got, want)
	}
}

func checkDoneIsBroadcast(r *rig) {
	i := r.start(plan.Number(plan.Exit, 3))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			<-i.Done()
			if got, want := i.Exit(), (nex.Exit{Code: 3}); got != want {
				r.Errorf("exit = %+v, want %+v", got, want)
			}
		})
	}
	group.Wait()
	<-i.Done() // and once more
}

// An agent that ends must not leave its workload behind.
func checkDeathTakesTheTree(r *rig) {
	i := r.start(plan.Do(plan.Leave), plan.Do(plan.Die))
	daemon := i.process("daemon")
	i.end()
	r.wantGone(daemon, "what the agent left behind")
}
