package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkIdle is what an idle nex up and its idle agent hold of memory, as the kernel counts it,
// and how much of a core the node takes.
func BenchmarkIdle(b *testing.B) {
	r := start(b)
	r.awaitWarm()
	cpu, up := idleCPU(b, r.up.PID()), residentMB(b, r.up.PID())
	agents := childrenOf(b, r.up.PID())
	if len(agents) != 1 {
		b.Fatalf("the node has %d agents, want one", len(agents))
	}
	agent := residentMB(b, agents[0])
	for b.Loop() { // there is nothing to repeat: this is a state, not a deed
	}
	b.ReportMetric(cpu, "cpu-%")
	b.ReportMetric(up, "up-MB")
	b.ReportMetric(agent, "agent-MB")
}

// settleTime lets what follows a start come to rest, and window is how long the node is watched.
const settleTime, window = 2 * time.Second, 5 * time.Second

// idleCPU is the share of one core that a process takes while nothing is asked of it, in percent.
func idleCPU(b *testing.B, pid int) float64 {
	b.Helper()
	time.Sleep(settleTime)
	before := cpuTime(b, pid)
	time.Sleep(window)
	return float64(cpuTime(b, pid)-before) / float64(window) * 100
}

// cpuTime reads utime and stime of proc_pid_stat(5), in clock ticks of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat := procFile(b, pid, "stat")
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// residentMB is the resident memory of a process in megabytes.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	return memoryMB(b, pid, "status", "VmRSS:")
}

// memoryMB is a field of a file below /proc that is in kilobytes, in megabytes.
func memoryMB(b *testing.B, pid int, file, field string) float64 {
	b.Helper()
	for line := range strings.Lines(procFile(b, pid, file)) {
		if kB, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.Atoi(strings.Fields(kB)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatalf("process %d has no memory", pid)
	return 0
}

func childrenOf(b *testing.B, pid int) []int {
	b.Helper()
	var children []int
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range bytes.Fields(list) {
			child, err := strconv.Atoi(string(f))
			if err != nil {
				b.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

func procFile(b *testing.B, pid int, name string) string {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		b.Fatal(err)
	}
	return string(content)
}
