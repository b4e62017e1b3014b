package node_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestStartOnFullDisk shows that a node which ends while the disk is full comes back: it takes over what runs, and
// takes calls and stops. Only what is new is refused, until there is space again.
func TestStartOnFullDisk(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "64m", func(dir string) {
		if err := nextest.BuildNex(binDir); err != nil {
			t.Fatal(err)
		}
		for how, end := range map[string]func(*nextest.Process) error{
			"killed": func(p *nextest.Process) error { p.Kill(); return nil },
			"left":   (*nextest.Process).Stop,
		} {
			t.Run(how, func(t *testing.T) { startOnFullDisk(t, filepath.Join(dir, how), end) })
		}
	})
}

func startOnFullDisk(t *testing.T, dir string, end func(*nextest.Process) error) {
	r := &rig{TB: t, dir: dir, server: natstest.Run(t)}
	r.nc = natstest.Connect(t, r.server)
	r.client = client.New(r.nc, client.Config{Timeout: patience})
	r.issuer, r.xkey = newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateCurveKeys)
	up := r.nex("--keep-workloads")
	token := unique("runs-on-a-full-disk")
	service, function := r.testprog("prog", "wait", token), r.js("since", "since", since)
	id := r.deploy(service)
	runs := r.awaitProcesses(token, 1)
	functionID := r.deploy(function)
	sinceWhen := string(r.call("since", "").Data)
	if err := end(up); err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	up = r.nex("--keep-workloads")
	r.awaitState(id, nex.StateRunning)
	r.awaitState(functionID, nex.StateRunning)
	r.eventuallyGives("since", "", sinceWhen)
	if got := r.processes(token); !slices.Equal(got, runs) {
		t.Errorf("processes %v run, want %v, as before", got, runs)
	}
	more := ballast + "-of-what-was-swept"
	fill(t, more)
	switch _, err := r.client.Deploy(t.Context(), service); nex.CodeOf(err) {
	case nex.CodeInsufficientResources, nex.CodeNoAgent, nex.CodeStartFailed: // as far as it came
		if !strings.Contains(err.Error(), "is full: free some space") && !strings.Contains(err.Error(), "no space left") {
			t.Errorf("deploy on a full disk: %v", err)
		}
	default:
		t.Errorf("deploy on a full disk: %v (%s)", err, nex.CodeOf(err))
	}
	r.undeploy(service, id)
	r.awaitProcesses(token, 0)

	if err := errors.Join(os.Remove(ballast), os.Remove(more)); err != nil {
		t.Fatal(err)
	}
	id = r.deploy(service)
	r.awaitProcesses(token, 1)
	r.undeploy(service, id)
	r.undeploy(function, functionID)
	if err := up.Stop(); err != nil {
		t.Errorf("%v\n%s", err, up.Log())
	}
	if left := r.processes(dir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if err := os.RemoveAll(dir); err != nil { // the next one needs the space
		t.Error(err)
	}
}

// since answers since when the function runs.
const since = `const started = Date.now() + performance.now(); () => String(started)`

// nex starts a node by its program, and discovers it. It ends with the test.
func (r *rig) nex(flags ...string) *nextest.Process {
	r.Helper()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		r.Fatal(err)
	}
	config := filepath.Join(r.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(`{"no_sandbox": true, "allow_file_artifacts": true}`), 0o600); err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(binDir, "nex"), append([]string{
		"node", "up", "--json", "--server", r.server.ClientURL(), "--config", config, "--data-dir", r.dir,
	}, flags...)...)
	cmd.Env = append(nextest.Environ(), "HOME="+r.TempDir(), "PATH="+os.Getenv("PATH"))
	p, err := nextest.StartReady(cmd)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		p.Kill()
		if r.Failed() {
			r.Logf("the node's log:\n%s", p.Log())
		}
	})
	if r.node, err = r.client.Ping(r.Context(), p.Ready.NodeID); err != nil {
		r.Fatal(err)
	}
	return p
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 4
		case err != nil:
			t.Fatal(err)
		}
	}
}
