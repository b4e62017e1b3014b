package gvisor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
)

func memOf(t *testing.T, dir string) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	var rss, pss, priv float64
	pids := map[string]bool{}
	for _, n := range names {
		b, err := os.ReadFile(n + "/cgroup")
		if err != nil || !strings.Contains(string(b), "/nex-test-") {
			continue
		}
		pids[n] = true
		s, _ := os.ReadFile(n + "/smaps_rollup")
		c, _ := os.ReadFile(n + "/cmdline")
		var r, p, pc, pd, an, sh float64
		for l := range strings.Lines(string(s)) {
			var v float64
			var k string
			fmt.Sscan(l, &k, &v)
			switch k {
			case "Rss:":
				r = v
			case "Pss:":
				p = v
			case "Private_Clean:":
				pc = v
			case "Private_Dirty:":
				pd = v
			case "Pss_Anon:":
				an = v
			case "Pss_Shmem:":
				sh = v
			}
		}
		t.Logf("%s rss %.1f pss %.1f priv %.1f anon %.1f shmem %.1f %.40q", n, r/1024, p/1024, (pc+pd)/1024, an/1024, sh/1024, c)
		rss, pss, priv = rss+r/1024, pss+p/1024, priv+(pc+pd)/1024
	}
	u, _ := exec.Command("sh", "-c", "cat /sys/fs/cgroup/memory/nex-test-*/agent*/memory.usage_in_bytes; grep -E '^(cache|rss|shmem|mapped_file) ' /sys/fs/cgroup/memory/nex-test-*/agent*/memory.stat").CombinedOutput()
	t.Logf("sum rss %.1f pss %.1f private %.1f; cgroup %s", rss, pss, priv, u)
}

func TestMeasure(t *testing.T) {
	n := newNode(t, gvisor.Config{})
	var times []time.Duration
	for range 12 {
		s := time.Now()
		a := n.start(sandbox.Spec{})
		times = append(times, time.Since(s))
		a.destroy()
	}
	slices.Sort(times)
	t.Logf("start to handshake p50 %v max %v", times[len(times)/2], times[len(times)-1])
	a := n.start(sandbox.Spec{Settings: sandbox.Settings{Limits: sandbox.Limits{MemoryBytes: 512 << 20}}})
	memOf(t, "")
	script := filepath.Join(t.TempDir(), "echo.js")
	os.WriteFile(script, []byte(echoScript), 0o400)
	s := time.Now()
	a.deploy(script, agentlink.Deploy{Type: nex.TypeV8, Function: &agentlink.Function{Concurrency: 1, MemoryBytes: 128 << 20, MaxResultBytes: 1 << 20}})
	t.Logf("deploy %v", time.Since(s))
	a.call("x")
	s = time.Now()
	for range 200 {
		a.call("x")
	}
	t.Logf("call %v", time.Since(s)/200)
	time.Sleep(2 * time.Second)
	memOf(t, "")
	a.destroy()
}

func TestMany(t *testing.T) {
	n := newNode(t, gvisor.Config{})
	s := time.Now()
	var mu sync.Mutex
	var all []*agent
	var g sync.WaitGroup
	work := make(chan int, 100)
	for i := range 100 {
		work <- i
	}
	close(work)
	for range 4 {
		g.Go(func() {
			for range work {
				a := n.start(sandbox.Spec{})
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
			}
		})
	}
	g.Wait()
	t.Logf("100 started in %v", time.Since(s))
	out, _ := exec.Command("sh", "-c", "free -m; ls /proc | grep -c '^[0-9]'").CombinedOutput()
	t.Logf("%s", out)
	s = time.Now()
	work2 := make(chan *agent, 100)
	for _, a := range all {
		work2 <- a
	}
	close(work2)
	for range 8 {
		g.Go(func() {
			for a := range work2 {
				a.destroy()
			}
		})
	}
	g.Wait()
	t.Logf("100 stopped in %v", time.Since(s))
	out, _ = exec.Command("sh", "-c", "free -m; ls /proc | grep -c '^[0-9]'; mount | grep -c nex; ls /tmp | grep nex").CombinedOutput()
	t.Logf("%s", out)
}
