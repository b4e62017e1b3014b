package bench_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// Calls of functions are compared to requests of a plain responder in Go, on the same NATS server and
// in the same run. Responder, requester, server with node, and the function's agent are processes of
// their own. One after the other takes a short turn, so that what else the machine does hits both.
//
// With one client at a time p50-ratio counts, the median time of a call to that of a plain request;
// with many, rate-ratio, calls to plain requests per second. Both are medians over the rounds, and
// off-% is how far the middle half of the rounds lies apart: more than 20 says that the machine was too
// busy to tell.

// plainSubject is what the plain responder answers on.
const plainSubject = "plain"

func BenchmarkCallJavaScript(b *testing.B) { benchmarkCalls(b, start, (*rig).javascript) }

func BenchmarkCallJavaScriptNode(b *testing.B) { benchmarkCalls(b, startNode, (*rig).javascript) }

func BenchmarkCallWasmCommand(b *testing.B) { benchmarkCalls(b, start, (*rig).wasmCommand) }

func BenchmarkCallWasmReactor(b *testing.B) { benchmarkCalls(b, start, (*rig).wasmReactor) }

func benchmarkCalls(b *testing.B, start func(*testing.B) *rig, function func(*rig) client.Deployment) {
	r := start(b)
	d := function(r)
	r.deploy(d)
	called := "fn." + d.Name
	r.respond()
	for _, l := range []struct {
		name          string
		clients, size int
	}{
		{"1-client", 1, 16},
		{"32-clients", 32, 16},
		{"32-clients-16KiB", 32, 16 << 10},
	} {
		b.Run(l.name, func(b *testing.B) {
			turns := requests(b, r.url, "-clients", strconv.Itoa(l.clients), "-size", strconv.Itoa(l.size),
				"-rounds", "25", "-turn", "150ms", "request", plainSubject, called)
			told(b)
			compare(b, turns)
		})
	}
}

// respond starts the plain responder.
func (r *rig) respond() {
	r.b.Helper()
	p, err := nextest.StartReady(exec.Command(callload(r.b), "-url", r.url, "respond", plainSubject))
	if err != nil {
		r.b.Fatal(err)
	}
	r.b.Cleanup(func() {
		if err := p.Stop(); err != nil {
			r.b.Errorf("plain responder: %v\n%s", err, p.Log())
		}
	})
}

func callload(b *testing.B) string {
	b.Helper()
	return build(b, "./internal/bench/testdata/callload")
}

// turn is what callload tells of one.
type turn struct {
	Subject string        `json:"subject"`
	Calls   int           `json:"calls"`
	Took    time.Duration `json:"took"`
	P50     time.Duration `json:"p50"`
	P99     time.Duration `json:"p99"`
}

func (t turn) rate() float64 { return float64(t.Calls) / t.Took.Seconds() }

// requests runs a requester until its end.
func requests(b *testing.B, url string, args ...string) []turn {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), callload(b), append([]string{"-url", url}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			b.Fatalf("callload: %v\n%s", err, exit.Stderr)
		}
		b.Fatal(err)
	}
	var turns []turn
	if err := json.Unmarshal(out, &turns); err != nil {
		b.Fatal(err)
	}
	return turns
}

// compare reports how the function's turns compare to the plain responder's of the same round.
func compare(b *testing.B, turns []turn) {
	var rates, p50s, plainRates, functionRates, plainP50s, functionP50s []float64
	for round := range slices.Chunk(turns, 2) {
		plain, function := round[0], round[1]
		if plain.Subject != plainSubject {
			plain, function = function, plain
		}
		rates = append(rates, function.rate()/plain.rate())
		p50s = append(p50s, float64(function.P50)/float64(plain.P50))
		plainRates, functionRates = append(plainRates, plain.rate()), append(functionRates, function.rate())
		plainP50s, functionP50s = append(plainP50s, micros(plain.P50)), append(functionP50s, micros(function.P50))
	}
	b.ReportMetric(quantile(rates, 0.5), "rate-ratio")
	b.ReportMetric(quantile(p50s, 0.5), "p50-ratio")
	b.ReportMetric(100*(quantile(rates, 0.75)-quantile(rates, 0.25))/quantile(rates, 0.5), "off-%")
	b.ReportMetric(quantile(functionRates, 0.5), "calls/s")
	b.ReportMetric(quantile(plainRates, 0.5), "plain/s")
	b.ReportMetric(quantile(functionP50s, 0.5), "p50-us")
	b.ReportMetric(quantile(plainP50s, 0.5), "plain-p50-us")
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// quantile returns the value that a part of all are below. It sorts them.
func quantile(values []float64, part float64) float64 {
	slices.Sort(values)
	return values[min(int(part*float64(len(values))), len(values)-1)]
}

// told ends a benchmark that measures by itself, a state or a comparison, which is not repeated.
func told(b *testing.B) {
	for b.Loop() {
	}
	b.ReportMetric(0, "ns/op") // says nothing
}
