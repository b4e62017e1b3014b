package vminit_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkInit is from when the kernel hands over to the init until the agent, a small program, has begun and says so,
// as the console tells, and from the start of QEMU until the kernel hands over: medians.
func BenchmarkInit(b *testing.B) {
	var boots, inits []time.Duration
	for b.Loop() {
		boot, init := measureInit(b)
		boots, inits = append(boots, boot), append(inits, init)
	}
	for name, times := range map[string][]time.Duration{"kernel": boots, "init": inits} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
	}
}

func measureInit(b *testing.B) (kernel, init time.Duration) {
	console, writes, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer console.Close()
	began := time.Now()
	m := start(b, options{loud: true, console: writes})
	writes.Close()
	defer func() {
		_ = m.cmd.Process.Kill()
		<-m.ended
	}()
	var handed time.Time
	for lines := bufio.NewScanner(console); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, "Run /init as init process"):
			handed = time.Now()
		case strings.Contains(line, "agent: begins") && !handed.IsZero():
			return handed.Sub(began), time.Since(handed)
		}
	}
	b.Fatal("the machine has ended before its agent has started")
	return 0, 0
}
