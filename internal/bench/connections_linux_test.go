package bench_test

import (
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// idleConnections is how many there are.
const idleConnections = 10_000

// BenchmarkIdleConnections is what ten thousand clients that are connected and idle cost nex up, which has
// the NATS server in it: resident memory of each, and the time of calls of a function in JavaScript by one
// client, before they come and while they are there.
func BenchmarkIdleConnections(b *testing.B) {
	const spare = 1000 // files of whatever else the processes do
	allowed, err := nextest.OpenFiles(idleConnections + spare)
	if err != nil {
		b.Fatal(err)
	}
	if allowed < idleConnections+spare {
		b.Fatalf("%d open files are too few for %d connections: raise the hard limit (ulimit -Hn)", allowed, idleConnections)
	}
	r := start(b)
	d := r.javascript()
	r.deploy(d)
	server, err := url.Parse(r.url)
	if err != nil {
		b.Fatal(err)
	}
	call := func() turn {
		return requests(b, r.url, "-clients", "1", "-calls", strconv.Itoa(20_000), "request", d.Triggers[0])[0]
	}
	alone, before := call(), residentMB(b, r.up.PID())
	idle, err := nextest.ConnectIdle(idleConnections, func() (net.Conn, error) { return net.Dial("tcp", server.Host) })
	if err != nil {
		b.Fatal(err)
	}
	defer idle.Close()
	connected := residentMB(b, r.up.PID())
	among := call()
	called := residentMB(b, r.up.PID())
	if alive := idle.Alive(); alive != idleConnections {
		b.Fatalf("%d of %d connections are left", alive, idleConnections)
	}
	told(b)
	b.ReportMetric(idleConnections, "connections")
	b.ReportMetric(1024*(connected-before)/idleConnections, "each-KiB")
	b.ReportMetric(1024*(called-before)/idleConnections, "each-after-calls-KiB")
	b.ReportMetric(micros(alone.P50), "alone-p50-us")
	b.ReportMetric(micros(alone.P99), "alone-p99-us")
	b.ReportMetric(micros(among.P50), "p50-us")
	b.ReportMetric(micros(among.P99), "p99-us")
}
