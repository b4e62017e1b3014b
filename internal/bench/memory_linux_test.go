package bench_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
)

// callsVariable says how many calls BenchmarkFunctionMemory makes, if not fewCalls: a million take two
// minutes and more.
const (
	callsVariable = "NEX_BENCH_CALLS"
	fewCalls      = 200_000
)

// BenchmarkFunctionMemory is the resident memory of the agent of a function in JavaScript after ten
// thousand calls, and how much more it is after many.
func BenchmarkFunctionMemory(b *testing.B) {
	many := fewCalls
	if s := os.Getenv(callsVariable); s != "" {
		var err error
		if many, err = strconv.Atoi(s); err != nil || many < fewCalls {
			b.Fatalf("%s is %q: it must be a number from %d", callsVariable, s, fewCalls)
		}
	}
	r := start(b)
	r.awaitWarm()
	agent := childrenOf(b, r.up.PID())[0] // the idle one, which gets the function
	d := r.javascript()
	r.deploy(d)
	const first = 10_000
	call := func(n int) {
		requests(b, r.url, "-clients", "32", "-warm=false", "-calls", strconv.Itoa(n), "request", d.Triggers[0])
	}
	call(first)
	early := residentMB(b, agent)
	call(many - first)
	late := residentMB(b, agent)
	told(b)
	b.ReportMetric(float64(many), "calls")
	b.ReportMetric(early, "first-MB")
	b.ReportMetric(late, "last-MB")
	b.ReportMetric(100*(late/early-1), "growth-%")
}

// BenchmarkManyFunctions deploys two hundred functions in JavaScript, eight at a time, calls each, and
// then looks at what the node and its agents take of memory together: by proportional set size, which
// counts what processes share once, and by resident set size.
func BenchmarkManyFunctions(b *testing.B) {
	const functions, atOnce = 200, 8
	r := start(b)
	d := r.functionNamed("many", nex.TypeV8, strings.NewReader("(subject, payload) => payload"))
	began := time.Now()
	parallel(functions, atOnce, func(i int) {
		d := d
		d.Name = fmt.Sprintf("many%d", i)
		d.Triggers = []string{"fn." + d.Name}
		if answer, err := r.client.Deploy(b.Context(), d); err != nil || answer.State == nex.StateFailed {
			b.Errorf("deploy = %+v, %v", answer, err)
		}
	})
	nc := r.caller()
	for i := range functions {
		answers(b, nc, fmt.Sprintf("fn.many%d", i))
	}
	took := time.Since(began)
	processes := append(childrenOf(b, r.up.PID()), r.up.PID())
	if len(processes) <= functions {
		b.Fatalf("%d processes for %d functions", len(processes), functions)
	}
	var proportional, resident float64
	for _, pid := range processes {
		proportional += proportionalMB(b, pid)
		resident += residentMB(b, pid)
	}
	told(b)
	b.ReportMetric(took.Seconds(), "answered-s")
	b.ReportMetric(proportional, "pss-MB")
	b.ReportMetric(resident, "rss-MB")
	b.ReportMetric(residentMB(b, r.up.PID()), "node-MB")
}

// proportionalMB is the proportional set size of a process in megabytes.
func proportionalMB(b *testing.B, pid int) float64 {
	b.Helper()
	return memoryMB(b, pid, "smaps_rollup", "Pss:")
}
