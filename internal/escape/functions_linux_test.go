package escape_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/nextest"
)

// functions is about those in WebAssembly and JavaScript, which have no files, network and processes at all.
func functions(t *testing.T, r *rig, w *world) {
	c := newCanaries(t, r)
	targets := append([]string{"/etc/passwd", "/proc/self/environ", "/proc/1/environ", "/.nex/own/link/link.sock", "/.nex/agent", "/work/file", "/tmp/file"}, c.paths...)
	// A public address is one also if it is this machine's: what functions may call is a matter of public
	// and private alone.
	for _, host := range []string{"127.0.0.1", ownPrivate, uplinkAddr} {
		targets = append(targets, "tcp/"+net.JoinHostPort(host, w.port))
	}
	targets = append(targets, "tcp/"+net.JoinHostPort(metadata, outsidePort), "tcp/127.0.0.1:"+r.internalPort(t))
	input := strings.Join(targets, "\n")
	before := w.visitors.Load()

	d := r.function("wasm", nex.TypeWasm, filepath.Join(binDir, "intruderfunction.wasm"))
	parse(t, []string{"wasm"}, r.call(t, d, input)).wantRefused(t)

	d = r.function("javascript", nex.TypeV8, filepath.Join("testdata", "intruder.js"))
	parse(t, []string{"javascript"}, r.call(t, d, input)).wantRefused(t)
	if n := w.visitors.Load() - before; n != 0 {
		t.Errorf("the machine was visited %d times", n)
	}
	c.wantUntouched(t)

	cmd := exec.Command(filepath.Join(binDir, "intruderfunction"))
	canary := newCanaries(t, r).paths[0]
	cmd.Stdin, cmd.Dir = strings.NewReader(canary+"\ntcp/127.0.0.1:"+w.port), t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("control: %v\n%s", err, out)
	}
	control := parse(t, []string{"control"}, string(out))
	if len(control.escaped) < 10 || strings.Contains(strings.Join(control.refused, "\n"), "read "+canary) {
		t.Errorf("the control fails:\n%s", control.all)
	}
}

func (r *rig) function(name string, kind nex.WorkloadType, path string) client.Deployment {
	path, err := filepath.Abs(path)
	if err != nil {
		path = name
	}
	d := r.file(name, kind, path)
	d.Triggers, d.CallTimeout = []string{"fn." + name}, nextest.Patience
	return d
}

// call deploys a function and calls it.
func (r *rig) call(t *testing.T, d client.Deployment, input string) string {
	t.Helper()
	id := r.accepted(t, d)
	nextest.Await(t, d.Name+" runs", func() bool {
		m := r.workload(t, id)
		return m != nil && m.State == nex.StateRunning
	})
	m, err := r.workloads.Request(d.Triggers[0], []byte(input), nextest.Patience)
	if err != nil {
		t.Fatalf("call %s: %v", d.Name, err)
	}
	if m.Header.Get("Nats-Service-Error") != "" {
		t.Fatalf("call %s: %v\n%s", d.Name, m.Header, m.Data)
	}
	return fmt.Sprintf("%s\n", m.Data)
}
