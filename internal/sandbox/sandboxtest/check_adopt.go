package sandboxtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// Nothing happens to what runs inside when its node is killed and the next one comes: the same process goes on,
// reaches its link again, and what it prints meanwhile is not lost.
func checkAdoptGoesOn(r *rig) {
	n, all := r.leave(1, order{})
	s := all[0]
	s.do(plan.Text(plan.Say, "before"))
	if got, ok := n.log(s.id).await("said", nil, patience); !ok || got != "before" {
		r.Errorf("the first node is told %q, want what the agent says before", got)
	}
	s.later(plan.Text(plan.Say, "meanwhile"))
	n.kill()
	s.meanwhile(plan.Text(plan.Say, "meanwhile"))
	i := s.adopt()
	s.do(plan.Text(plan.Say, "after"))
	for _, want := range []string{"meanwhile", "after"} {
		if got := i.say("said"); got != want {
			r.Errorf("the agent has said %q, want %q", got, want)
		}
	}
	before := s.hello
	s.listen()
	s.meet()
	if s.hello != before {
		r.Errorf("the agent is %+v, and was %+v: it was started again", s.hello, before)
	}
	if isClosed(i.Done()) {
		r.Error("an adopted sandbox in which all goes on is done")
	}
	s.order(plan.Number(plan.Exit, 7))
	i.wantExit(nex.Exit{Code: 7})
	if got := i.log.values("said"); len(got) != 2 {
		r.Errorf("the agent has said %q, each line but once", got)
	}
	i.destroy()
	i.destroy()
	r.wantEmpty()
}

// wantExit waits for the end, which may be unknown of one that was adopted.
func (i running) wantExit(want nex.Exit) {
	i.r.Helper()
	if got := i.end(); got != want && got != (nex.Exit{Code: -1}) {
		i.r.Errorf("exit = %+v, want %+v, or that it is not known", got, want)
	}
}

// An adopted sandbox outlives its node like any other.
func checkAdoptAgain(r *rig) {
	s := r.leaveOne()
	before := s.hello
	second := r.startNode(orders{Adopt: []string{s.id}})
	s.again()
	s.do(plan.Text(plan.Say, "to the second"))
	if _, ok := second.log(s.id).await("said", nil, patience); !ok {
		r.Error("the second node is not told what the agent says")
	}
	s.later(plan.Text(plan.Say, "to the third"))
	second.kill()
	s.meanwhile(plan.Text(plan.Say, "to the third"))
	i := s.adopt()
	if got, want := i.say("said"), "to the third"; got != want {
		r.Errorf("the agent has said %q, want %q", got, want)
	}
	s.listen()
	s.meet()
	if s.hello != before {
		r.Errorf("the agent is %+v, and was %+v: it was started again", s.hello, before)
	}
	i.destroy()
	r.wantEmpty()
}

// Many are adopted at the same time, each once, whoever tries it.
func checkAdoptAtOnce(r *rig) {
	const tries = 3
	many := r.suite.times(5, 2)
	n, all := r.leave(many, order{})
	n.kill()
	var group sync.WaitGroup
	var mu sync.Mutex
	var adopted []sandbox.Instance
	for _, s := range all {
		for range tries {
			group.Go(func() {
				i, err := r.adopter().Adopt(r.ctx(), s.id, nil)
				if err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				adopted = append(adopted, i)
			})
		}
	}
	group.Wait()
	if len(adopted) != many {
		r.Errorf("%d adoptions have succeeded, want %d: one for each sandbox", len(adopted), many)
	}
	for _, s := range all {
		s.again()
		s.do(plan.Text(plan.Say, "still there"))
	}
	for _, i := range adopted {
		if err := i.Destroy(r.ctx()); err != nil {
			r.Errorf("Destroy: %v", err)
		}
	}
	r.wantEmpty()
}

// What a node has it cannot adopt, and what it has tried stays as it is.
func checkAdoptOwn(r *rig) {
	adopter := r.adopter()
	own := r.start(plan.Do(plan.Hang))
	s := r.leaveOne()
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	if _, err := adopter.Adopt(ctx, s.id, nil); !errors.Is(err, context.Canceled) {
		r.Errorf("Adopt = %v, want %v", err, context.Canceled)
	}
	adopted := s.adopt()
	for _, i := range []running{own, adopted} {
		if _, err := adopter.Adopt(r.ctx(), i.ID(), nil); err == nil || errors.Is(err, sandbox.ErrGone) {
			r.Errorf("Adopt of what the node has already = %v, want another error", err)
		}
	}
	own.say("hang")
	s.do(plan.Text(plan.Say, "hello"))
	if got := adopted.say("said"); got != "hello" {
		r.Errorf("the agent has said %q", got)
	}
}

// Who is gone is not adopted: he is nobody, and Sweep removes what is left of him.
func checkAdoptNobody(r *rig) {
	adopter := r.adopter()
	if _, err := adopter.Adopt(r.ctx(), newID(), nil); !errors.Is(err, sandbox.ErrGone) {
		r.Errorf("Adopt of one that never was = %v, want %v", err, sandbox.ErrGone)
	}
	for _, id := range []string{"", "..", "../x", "a/b"} {
		if _, err := adopter.Adopt(r.ctx(), id, nil); err == nil {
			r.Errorf("Adopt of %q succeeds", id)
		}
	}
	n, all := r.leave(2, order{Plan: plan.Plan{Steps: []plan.Step{plan.Do(plan.Deaf), plan.Do(plan.Leave)}}})
	daemons := n.daemons(r)
	exit, die := plan.Number(plan.Exit, 0), plan.Do(plan.Die)
	all[0].later(exit)
	all[1].later(die)
	n.kill()
	all[0].die(exit)
	all[1].die(die)
	for _, s := range all {
		if _, err := adopter.Adopt(r.ctx(), s.id, nil); !errors.Is(err, sandbox.ErrGone) {
			r.Errorf("Adopt of one that has ended = %v, want %v", err, sandbox.ErrGone)
		}
	}
	if n, err := adopter.Sweep(r.ctx()); n != 2 || err != nil {
		r.Errorf("Sweep = %d, %v, want 2, nil", n, err)
	}
	for _, d := range daemons {
		r.wantGone(d, "what an agent has left")
	}
	r.wantEmpty()
	if _, err := adopter.Adopt(r.ctx(), all[0].id, nil); !errors.Is(err, sandbox.ErrGone) {
		r.Errorf("Adopt of one that was removed = %v, want %v", err, sandbox.ErrGone)
	}
}

// Sweep removes what was not adopted, and that alone.
func checkAdoptedIsSpared(r *rig) {
	adopter := r.adopter()
	n, all := r.leave(3, order{})
	n.kill()
	adopted := all[1].adopt()
	own := r.start(plan.Do(plan.Hang))
	own.say("hang")
	if n, err := adopter.Sweep(r.ctx()); n != 2 || err != nil {
		r.Errorf("Sweep = %d, %v, want 2, nil", n, err)
	}
	r.wantGone(all[0].process, "the agent of a sandbox that was not adopted")
	r.wantGone(all[2].process, "the agent of a sandbox that was not adopted")
	all[1].do(plan.Text(plan.Say, "hello"))
	if got := adopted.say("said"); got != "hello" {
		r.Errorf("the agent has said %q", got)
	}
	if isClosed(own.Done()) || isClosed(adopted.Done()) {
		r.Error("Sweep has ended a sandbox that is in use")
	}
	want := []string{own.ID(), adopted.ID()}
	slices.Sort(want)
	if got := r.entries(); !slices.Equal(got, want) {
		r.Errorf("the directory has %q, want %q", got, want)
	}
	adopted.destroy()
	own.destroy()
	r.wantEmpty()
}
