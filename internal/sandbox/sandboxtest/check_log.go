package sandboxtest

import (
	"slices"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// maxLine is more than a driver may hand on as one line.
const maxLine = 64 << 10

func checkLogIsBounded(r *rig) {
	i := r.start(plan.Number(plan.Print, r.suite.times(5<<20, 1<<20)), plan.Number(plan.Print, 3))
	i.end()
	lines := i.log.all()
	for _, l := range lines {
		if len(l) > maxLine {
			r.Errorf("a line has %d bytes, more than %d", len(l), maxLine)
		}
	}
	if len(lines) == 0 || lines[len(lines)-1] != "xxx" {
		r.Errorf("the line after the long one is lost: %d lines", len(lines))
	}
}

// What the agent printed before it ended has been handed on when Done is closed.
func checkLogIsWhole(r *rig) {
	steps := make([]plan.Step, 0, 202)
	var want []string
	for n := range 200 {
		steps = append(steps, plan.Number(plan.Print, n))
		want = append(want, strings.Repeat("x", n))
	}
	i := r.start(append(steps, plan.Do(plan.Complain), plan.Do(plan.Mumble))...)
	i.end()
	want = append(want, "on standard error", "no end")
	if got := i.log.all(); !slices.Equal(got, want) {
		r.Errorf("the log has %d lines and ends with %q, want %d lines and %q", len(got), last(got), len(want), last(want))
	}
}

func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

func checkLogMayBeNil(r *rig) {
	p := plan.Plan{Steps: []plan.Step{plan.Number(plan.Print, r.suite.times(1<<20, 1<<18)), plan.Number(plan.Exit, 4)}}
	i, err := r.driver.Start(r.ctx(), sandbox.Spec{ID: newID(), Bootstrap: p.Encode()})
	if err != nil {
		r.Fatalf("Start: %v", err)
	}
	run := running{i, r, newRecorder()}
	if got := run.end(); got.Code != 4 {
		r.Errorf("exit = %+v, want status 4", got)
	}
	run.destroy()
}
