package bench_test

import (
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// BenchmarkDeployWarm is a deploy of a cached program when an agent is idle: from the request until
// the answer that it runs.
func BenchmarkDeployWarm(b *testing.B) { start(b).deploys() }

// deploys measures deploys of a cached program.
func (r *rig) deploys() {
	b, d := r.b, r.program()
	r.stop(d, r.deploy(d)) // fills the artifact cache
	var times []time.Duration
	for b.Loop() {
		b.StopTimer()
		r.awaitWarm()
		b.StartTimer()
		began := time.Now()
		id := r.deploy(d)
		times = append(times, time.Since(began))
		b.StopTimer()
		r.stop(d, id)
		b.StartTimer()
	}
	median(b, "deploy", times)
}

// BenchmarkStop is a stop of a program that ends when it is told to, until its answer.
func BenchmarkStop(b *testing.B) {
	r := start(b)
	d := r.program()
	var times []time.Duration
	for b.Loop() {
		b.StopTimer()
		id := r.deploy(d)
		b.StartTimer()
		began := time.Now()
		r.stop(d, id)
		times = append(times, time.Since(began))
	}
	median(b, "stop", times)
}

// BenchmarkDevrun is the whole command: it uploads nothing, since the file lies there already, finds
// the node, replaces the running workload, and deploys.
func BenchmarkDevrun(b *testing.B) {
	r := start(b)
	path := strippedEcho(b)
	devrun := func() {
		if out, err := r.command("devrun", path).CombinedOutput(); err != nil {
			b.Fatalf("devrun: %v\n%s", err, out)
		}
	}
	devrun()
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		devrun()
		times = append(times, time.Since(began))
	}
	median(b, "devrun", times)
}

// BenchmarkUp is nex up from its start until its ready line.
func BenchmarkUp(b *testing.B) {
	r := start(b) // for its environment
	if err := r.up.Stop(); err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		p, err := nextest.StartReady(r.command("up", "--json", "--no-sandbox", "--port", "0"))
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
		b.StopTimer()
		if err := p.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	median(b, "up", times)
}

// BenchmarkHundredServices deploys a hundred services, eight at a time, and then looks at what the
// node costs while nothing happens.
func BenchmarkHundredServices(b *testing.B) {
	const services, atOnce = 100, 8
	r := start(b)
	d := r.program()
	began := time.Now()
	deployMany(r, d, services, atOnce)
	deployed := time.Since(began)
	cpu, node := idleCPU(b, r.up.PID()), residentMB(b, r.up.PID())
	for b.Loop() { // there is nothing to repeat: this is a state, not a deed
	}
	b.ReportMetric(deployed.Seconds(), "deployed-s")
	b.ReportMetric(cpu, "idle-cpu-%")
	b.ReportMetric(node, "node-MB")
}

func deployMany(r *rig, d client.Deployment, n, atOnce int) {
	parallel(n, atOnce, func(int) {
		if _, err := r.client.Deploy(r.b.Context(), d); err != nil {
			r.b.Errorf("deploy: %v", err)
		}
	})
}

// parallel calls do with the numbers below n, so many at a time.
func parallel(n, atOnce int, do func(int)) {
	jobs := make(chan int)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := range jobs {
				do(i)
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	group.Wait()
}
