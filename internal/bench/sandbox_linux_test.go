package bench_test

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// BenchmarkSandboxDeployWarm is BenchmarkDeployWarm into a sandbox.
func BenchmarkSandboxDeployWarm(b *testing.B) {
	startSandboxed(b).deploys()
}

// BenchmarkSandboxDeployCold is the same while no agent is idle.
func BenchmarkSandboxDeployCold(b *testing.B) {
	startSandboxed(b, "--config", emptyPools(b)).cold().deploys()
}

// emptyPools is the configuration of a node that starts each agent when it is needed.
func emptyPools(b *testing.B) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"machine_pool_size": 0}`), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

func (r *rig) cold() *rig {
	r.warm = 0
	return r
}

// BenchmarkSandboxReadyJavaScript is BenchmarkReadyJavaScript in a sandbox.
func BenchmarkSandboxReadyJavaScript(b *testing.B) {
	r := startSandboxed(b)
	d := r.javascript()
	r.stop(d, r.deploy(d)) // fills the artifact cache
	r.ready(&d, func() {})
}

// BenchmarkSandboxCallJavaScript compares calls of a function in a sandbox to requests of a plain
// responder outside.
func BenchmarkSandboxCallJavaScript(b *testing.B) {
	benchmarkCalls(b, func(b *testing.B) *rig { return startSandboxed(b) }, (*rig).javascript)
}

// BenchmarkSandboxService compares the plain responder as a service in a sandbox to one outside.
func BenchmarkSandboxService(b *testing.B) {
	benchmarkCalls(b, func(b *testing.B) *rig { return startSandboxed(b) }, (*rig).responder)
}

// responder is the plain responder as a workload, on the subject fn.responder.
func (r *rig) responder() client.Deployment {
	r.b.Helper()
	f, err := os.Open(callload(r.b))
	if err != nil {
		r.b.Fatal(err)
	}
	defer f.Close()
	d := r.functionNamed("responder", nex.TypeNative, f)
	d.Argv, d.Triggers = []string{"respond", d.Triggers[0]}, nil
	return d
}

// BenchmarkSandboxMemory is what an idle function in JavaScript and its sandbox hold of memory: by
// proportional set size, which counts what processes share once, and by resident set size.
func BenchmarkSandboxMemory(b *testing.B) {
	r := startSandboxed(b, "--config", emptyPools(b)).cold()
	d := r.javascript()
	r.deploy(d)
	nc := r.caller()
	answers(b, nc, d.Triggers[0])
	time.Sleep(settleTime)
	var proportional, resident float64
	for _, pid := range memories(descendants(b, r.up.PID())) {
		b.Logf("%6d %6.1f MB proportional, %6.1f MB resident: %s", pid, proportionalMB(b, pid), residentMB(b, pid), procFile(b, pid, "comm"))
		proportional += proportionalMB(b, pid)
		resident += residentMB(b, pid)
	}
	told(b)
	b.ReportMetric(proportional, "pss-MB")
	b.ReportMetric(resident, "rss-MB")
}

// memories leaves out the processes that have the memory of another: the kernel of a sandbox runs what is
// inside in several that share theirs.
func memories(pids []int) []int {
	const compareMemory = 1 // KCMP_VM of kcmp(2)
	var own []int
	for _, pid := range pids {
		shared := slices.ContainsFunc(own, func(other int) bool {
			order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid), uintptr(other), compareMemory, 0, 0, 0)
			return errno == 0 && order == 0
		})
		if !shared {
			own = append(own, pid)
		}
	}
	return own
}

func descendants(b *testing.B, pid int) []int {
	b.Helper()
	var all []int
	for _, child := range childrenOf(b, pid) {
		all = append(append(all, child), descendants(b, child)...)
	}
	return all
}

// BenchmarkHundredSandboxes deploys fifty services and fifty functions, eight at a time, calls the
// functions, stops all, and looks at what is left of them on the machine.
func BenchmarkHundredSandboxes(b *testing.B) {
	const each, atOnce = 50, 8
	r := startSandboxed(b)
	service, function := r.program(), r.functionNamed("many", nex.TypeV8, strings.NewReader("(subject, payload) => payload"))
	r.awaitWarm()
	before := r.footprint()
	ids, deployments := make([]string, 2*each), make([]client.Deployment, 2*each)
	began := time.Now()
	parallel(2*each, atOnce, func(i int) {
		d := service
		if i%2 == 1 {
			d = function
			d.Triggers = []string{fmt.Sprintf("fn.many%d", i)}
		}
		d.Name = fmt.Sprintf("many%d", i)
		answer, err := r.client.Deploy(b.Context(), d)
		if err != nil {
			b.Errorf("deploy: %v", err)
		}
		ids[i], deployments[i] = answer.ID, d
	})
	nc := r.caller()
	for i := 1; i < 2*each; i += 2 {
		answers(b, nc, fmt.Sprintf("fn.many%d", i))
	}
	started := time.Since(began)
	began = time.Now()
	parallel(2*each, atOnce, func(i int) { r.stop(deployments[i], ids[i]) })
	stopped := time.Since(began)
	r.awaitWarm()
	told(b)
	b.ReportMetric(started.Seconds(), "started-s")
	b.ReportMetric(stopped.Seconds(), "stopped-s")
	if after := r.footprint(); after != before {
		b.Errorf("on the machine are %+v, before the sandboxes were %+v", after, before)
	}
}

// traces are what sandboxes leave if they leave something.
type traces struct {
	processes, interfaces, mounts, namespaces, cgroups int
}

// footprint counts what there is of the node's sandboxes on this machine.
func (r *rig) footprint() traces {
	b := r.b
	b.Helper()
	return traces{
		processes: r.processes(), cgroups: r.cgroups(),
		interfaces: count(b, "/sys/class/net/*"), namespaces: count(b, "/run/netns/*"),
		mounts: strings.Count(procFile(b, os.Getpid(), "mounts"), "\n"),
	}
}

// processes counts those that were started with a path in the node's data directory.
func (r *rig) processes() int {
	r.b.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.b.Fatal(err)
	}
	n := 0
	for _, file := range lines {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), r.up.Ready.DataDir+"/") {
			n++
		}
	}
	return n
}

// cgroups counts the control groups below the node's.
func (r *rig) cgroups() int {
	r.b.Helper()
	sum := sha256.Sum256([]byte(r.node.NodeID))
	own := "/nex-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:6]) + "/"
	n := 0
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went away meanwhile
		}
		if err == nil && d.IsDir() && strings.Contains(path, own) {
			n++
		}
		return err
	})
	if err != nil {
		r.b.Fatal(err)
	}
	return n
}

func count(b *testing.B, pattern string) int {
	b.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		b.Fatal(err)
	}
	return len(found)
}
