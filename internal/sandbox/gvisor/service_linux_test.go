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

// buildProbe builds the workload of these tests once.
var buildProbe = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(os.Getenv(runscVariable)), "probe")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build probe: %w: %s", err, out)
	}
	return path, nil
})

// said collects what a workload prints until it says that it is done.
func (a *agent) said() map[string][]string {
	a.n.Helper()
	said := map[string][]string{}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case r := <-a.logs:
			name, value, _ := strings.Cut(r.Text, " ")
			if name == "done" {
				return said
			}
			said[name] = append(said[name], value)
		case <-timer.C:
			a.n.Fatalf("the workload is not done; so far it said %q", said)
		}
	}
}

var (
	// forbidden fails whatever the sandbox.
	forbidden = []string{
		"connect-link", "open-wake", "list-own", "agent-environ", "agent-memory", "agent-files", "agent-signal", "agent-trace",
		"agent-user", "mount", "chroot", "raw-socket", "packet-socket", "device", "kvm", "module", "host-name",
		"write-artifact", "remove-artifact", "change-artifact", "write-agent", "set-user-id",
	}
	needed = []string{"write-tmp", "write-shm", "open-stdout", "read-passwd", "child"}
)

func wantAttempts(t *testing.T, said map[string][]string, succeed bool, names ...string) {
	t.Helper()
	for _, name := range names {
		got := said[name]
		if len(got) != 1 || (got[0] == "ok") != succeed {
			t.Errorf("%s = %q, want success %v", name, got, succeed)
		}
	}
}

// A program runs in a sandbox with a network as a user of its own, who is not the agent's.
func TestService(t *testing.T) {
	t.Parallel()
	network := newIsolated(t)
	n := newNode(t, gvisor.Config{Network: network})
	if !n.driver.Capabilities().Network {
		t.Fatal("the driver says that its sandboxes have no network")
	}
	egress := nex.Egress{Allow: []string{"192.0.2.0/24"}}
	a := n.start(sandbox.Spec{Network: true, Settings: sandbox.Settings{Egress: egress, Limits: sandbox.Limits{PIDs: 200}}})
	other := sandbox.Settings{Egress: nex.Egress{Deny: []string{"*"}}, Limits: sandbox.Limits{PIDs: 200}}
	if err := a.Configure(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got := network.egress; len(got) != 2 || !slices.Equal(got[0].Allow, egress.Allow) || !slices.Equal(got[1].Deny, other.Egress.Deny) {
		t.Errorf("the network was told %+v", got)
	}
	probe, err := buildProbe()
	if err != nil {
		t.Fatal(err)
	}
	if reply := a.deploy(probe, agentlink.Deploy{Type: nex.TypeNative}); reply.Error != "" {
		t.Fatalf("Deploy: %s", reply.Error)
	}
	said := a.said()
	for name, want := range map[string]string{
		"Uid": "1000 1000 1000 1000", "Gid": "1000 1000 1000 1000", "Groups": "", "NoNewPrivs": "1", "dir": "/work",
		"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
	} {
		if got := said[name]; len(got) != 1 || strings.TrimSpace(got[0]) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	wantAttempts(t, said, false, forbidden...)
	wantAttempts(t, said, false, "root-user", "write-root", "write-passwd")
	wantAttempts(t, said, true, needed...)
	wantAttempts(t, said, true, "write-work")
	if exit := <-a.exit; !exit.Success() {
		t.Errorf("the workload ended with %s", exit)
	}
	a.destroy()
	if network.attached != 0 {
		t.Errorf("%d networks are left", network.attached)
	}
}

const none = "0000000000000000"

// A program that takes too much memory ends, and its sandbox with it, which says why.
func TestServiceOutOfMemory(t *testing.T) {
	t.Parallel()
	n := newNode(t, gvisor.Config{Network: newIsolated(t)})
	if !n.driver.Capabilities().Limits.Memory {
		t.Fatalf("memory is not limited: %s", n.driver.Capabilities().Limits.Missing)
	}
	a := n.start(sandbox.Spec{Network: true, Settings: sandbox.Settings{Limits: sandbox.Limits{MemoryBytes: 128 << 20}}})
	probe, err := buildProbe()
	if err != nil {
		t.Fatal(err)
	}
	if reply := a.deploy(probe, agentlink.Deploy{Type: nex.TypeNative, Argv: []string{"eat"}}); reply.Error != "" {
		t.Fatalf("Deploy: %s", reply.Error)
	}
	select {
	case <-a.Done():
		if exit := a.Exit(); !exit.OOM {
			t.Errorf("the sandbox ended with %+v, want OOM", exit)
		}
	case exit := <-a.exit:
		t.Errorf("the program ended with %+v, and its sandbox did not", exit)
	case <-time.After(patience):
		t.Error("the program goes on")
	}
}

// An image is the root of a sandbox as it is, with its own users and its own files, but without ours being
// in danger: not even when its program runs as root and has the bits of a setuid program.
func TestImage(t *testing.T) {
	t.Parallel()
	probe, err := buildProbe()
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t, gvisor.Config{Network: newIsolated(t)})
	for _, user := range []uint32{0, 33} {
		image := makeImage(t, probe)
		a := n.start(sandbox.Spec{Network: true, Rootfs: image, Settings: sandbox.Settings{Limits: sandbox.Limits{PIDs: 200, DiskBytes: 64 << 20}}})
		reply := a.deployImage(agentlink.Image{
			Command: []string{"probe", "all"}, Environment: []string{"PATH=/nowhere:/opt", "OWN=1"}, Dir: "/srv", UID: user, GID: user, Groups: []uint32{7}, Home: "/home/x",
		})
		if reply.Error != "" {
			t.Fatalf("Deploy: %s", reply.Error)
		}
		said := a.said()
		id := fmt.Sprintf("%[1]d %[1]d %[1]d %[1]d", user)
		for name, want := range map[string]string{
			"Uid": id, "Gid": id, "Groups": "7", "NoNewPrivs": "1", "dir": "/srv",
			"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		} {
			if got := said[name]; len(got) != 1 || strings.TrimSpace(got[0]) != want {
				t.Errorf("as user %d: %s = %q, want %q", user, name, got, want)
			}
		}
		for _, variable := range []string{"PATH=/nowhere:/opt", "OWN=1", "HOME=/home/x"} {
			if !slices.Contains(said["env"], variable) {
				t.Errorf("as user %d: the environment is %q, want %s in it", user, said["env"], variable)
			}
		}
		wantAttempts(t, said, false, forbidden...)
		wantAttempts(t, said, true, needed...)
		if user != 0 {
			wantAttempts(t, said, false, "root-user", "write-root", "write-passwd")
		}
		a.destroy()
		if b, err := os.ReadFile(filepath.Join(image, "etc/passwd")); err != nil || string(b) != "image" {
			t.Errorf("the file of the image is %q, %v", b, err)
		}
		if _, err := os.Stat(filepath.Join(image, "file")); err == nil {
			t.Error("the sandbox has written to the image")
		}
	}
}

// makeImage makes the root of an image with the program.
func makeImage(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"etc", "opt", "srv"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"opt/probe": content, "set-user-id": content, "etc/passwd": []byte("image")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "set-user-id"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	return dir
}
