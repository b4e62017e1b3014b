//go:build linux

package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	want := agentlink.Handshake{
		AgentID: n.id, Protocol: agentlink.Protocol, Version: nex.Version, OS: runtime.GOOS, Arch: runtime.GOARCH,
		Types: functionTypes(nex.TypeNative),
	}
	if got := *n.hello; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("handshake = %+v, want %+v", got, want)
	}
	if _, err := n.nc.Request(agentlink.PingSubject(n.id), nil, patience); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`tr '\0' '|' < /proc/$$/cmdline; echo; pwd; readlink /proc/$$/fd/0; ls /proc/$$/fd`, "zero", "", "two words", "ü")
	n.awaitExit()
	lines := n.lines(nex.StreamStdout)
	want := []string{`echo|-c|tr '\0' '|' < /proc/$$/cmdline; echo; pwd; readlink /proc/$$/fd/0; ls /proc/$$/fd|zero||two words|ü|`, n.dir, "/dev/null", "0", "1", "2"}
	if !slices.Equal(lines, want) {
		t.Errorf("argv, directory, stdin, files = %q\nwant %q", lines, want)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	always := []string{"NEX_AGENT_ID=ID", "NEX_NAMESPACE=default", "NEX_WORKLOAD_ID=w1", "NEX_WORKLOAD_NAME=echo"}
	path := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	tests := []struct {
		name  string
		given map[string]string
		want  []string // besides always; DIR and ID stand for the work directory and the agent's id
	}{
		{"nothing given", nil, []string{path, "HOME=DIR", "TMPDIR=DIR"}},
		{
			"upper case is added",
			map[string]string{"nats_url": "nats://x", "MiXed": ""},
			[]string{path, "HOME=DIR", "TMPDIR=DIR", "nats_url=nats://x", "NATS_URL=nats://x", "MiXed=", "MIXED="},
		},
		{
			"upper case is given",
			map[string]string{"nats_url": "low", "NATS_URL": "up"},
			[]string{path, "HOME=DIR", "TMPDIR=DIR", "nats_url=low", "NATS_URL=up"},
		},
		{
			"defaults are given",
			map[string]string{"path": "/p", "HOME": "/h", "TMPDIR": ""},
			[]string{path, "path=/p", "HOME=/h", "TMPDIR="}, // what every program needs is not taken from path
		},
		{
			"identity is given",
			map[string]string{"NEX_AGENT_ID": "forged", "nex_namespace": "forged", "NEX_OTHER": "mine"},
			[]string{path, "HOME=DIR", "TMPDIR=DIR", "nex_namespace=forged", "NEX_OTHER=mine"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			d := n.workload("/usr/bin/env")
			d.Environment = tt.given
			if r := n.deploy(d); r.Error != "" {
				t.Fatalf("deploy: %+v", r)
			}
			n.awaitExit()
			want := append(slices.Clone(always), tt.want...)
			for i := range want {
				want[i] = strings.NewReplacer("=DIR", "="+n.dir, "=ID", "="+n.id).Replace(want[i])
			}
			slices.Sort(want)
			if got := n.lines(nex.StreamStdout); !slices.Equal(got, want) {
				t.Errorf("environment = %q\nwant %q", got, want)
			}
		})
	}
}

func TestDeployRefused(t *testing.T) {
	t.Parallel()
	write := func(n *node, content string, mode os.FileMode) agentlink.Deploy {
		source := filepath.Join(n.dir, "source")
		if err := os.WriteFile(source, []byte(content), 0o600); err != nil {
			n.t.Fatal(err)
		}
		d := n.workload(source)
		if err := os.Chmod(d.Path, mode); err != nil {
			n.t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		name string
		make func(n *node) agentlink.Deploy
		code nex.Code
		says string
	}{
		{"wrong digest", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Digest = strings.Repeat("0", 64)
			return d
		}, nex.CodeDigestMismatch, "instead of 000"},
		{"no digest", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Digest = ""
			return d
		}, nex.CodeDigestMismatch, "sha256"},
		{"no artifact", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Path += "x"
			return d
		}, nex.CodeStartFailed, "no such file"},
		{"no program", func(n *node) agentlink.Deploy { return write(n, "hello", 0o755) }, nex.CodeStartFailed, "exec format error"},
		{"not executable", func(n *node) agentlink.Deploy { return write(n, "hello", 0o644) }, nex.CodeStartFailed, "permission denied"},
		{"no interpreter", func(n *node) agentlink.Deploy { return write(n, "#!/nowhere/sh\n", 0o755) }, nex.CodeStartFailed, "interpreter"},
		{"arguments too long", func(n *node) agentlink.Deploy {
			return n.workload("/bin/sh", strings.Repeat("x", 1<<20))
		}, nex.CodeStartFailed, "too large"},
		{"unknown type", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Type = "jar"
			return d
		}, nex.CodeUnsupportedType, "jar"},
		{"bad variable", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Environment = map[string]string{"A=B": "c"}
			return d
		}, nex.CodeInvalidRequest, `"A=B"`},
		{"bad value", func(n *node) agentlink.Deploy {
			d := n.workload("/bin/sh")
			d.Environment = map[string]string{"A": "b\x00"}
			return d
		}, nex.CodeInvalidRequest, `"A"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := startAgent(t)
			r := n.deploy(tt.make(n))
			if r.Code != tt.code || !strings.Contains(r.Error, tt.says) || r.PID != 0 {
				t.Errorf("deploy = %+v, want code %s and mention of %q", r, tt.code, tt.says)
			}
			// It is not given another one, and goes when told to.
			if r := n.deploy(agentlink.Deploy{}); r.Code != nex.CodeInternal {
				t.Errorf("second deploy = %+v, want code %s", r, nex.CodeInternal)
			}
			if exit := n.undeploy(0); !exit.Success() {
				t.Errorf("undeploy = %+v, want success: nothing ran", exit)
			}
			n.awaitEnd(0)
			if len(n.exits) > 0 {
				t.Errorf("exits = %+v of a workload that never ran", n.exits)
			}
		})
	}
}

func TestSecondDeployRefused(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	n.run(`echo running; exec sleep 1000`)
	n.awaitLine("running")
	if r := n.deploy(agentlink.Deploy{Type: nex.TypeNative}); r.Code != nex.CodeInternal || !strings.Contains(r.Error, "already") {
		t.Errorf("second deploy = %+v, want a refusal with code %s", r, nex.CodeInternal)
	}
	if exit := n.undeploy(patience); exit.Signal != "SIGTERM" {
		t.Errorf("exit = %+v, want the first workload to have gone on until SIGTERM", exit)
	}
	n.awaitExit()
}

// An Undeploy does not wait for a start that takes long.
func TestUndeployWhileStarting(t *testing.T) {
	t.Parallel()
	n := startAgent(t)
	d := n.workload("/bin/sh")
	var reading <-chan struct{}
	d.Path, reading = n.endless()
	deployed := make(chan agentlink.DeployReply, 1)
	go func() { deployed <- n.deploy(d) }()
	<-reading
	n.undeploy(patience)
	if r := <-deployed; r.Code != nex.CodeStartFailed || !strings.Contains(r.Error, "undeployed") {
		t.Errorf("deploy = %+v, want code %s", r, nex.CodeStartFailed)
	}
	n.awaitEnd(0)
}

// endless makes a file whose digest is never done. The channel is closed when somebody reads it.
func (n *node) endless() (path string, reading <-chan struct{}) {
	n.t.Helper()
	path = filepath.Join(n.dir, "endless")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		n.t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			n.t.Errorf("write %s: %v", path, err)
			return
		}
		n.t.Cleanup(func() { f.Close() })
		zeros := make([]byte, 1<<20) // more than fits into a pipe that nobody reads
		if _, err := f.Write(zeros); err != nil {
			n.t.Errorf("write %s: %v", path, err)
		}
		go func() {
			for err == nil {
				_, err = f.Write(zeros) // until the reader is gone
			}
		}()
	}()
	return path, read
}

// eventually polls for what there is no event of.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// A workload of the same user cannot read what the agent was told.
func TestAgentIsHidden(t *testing.T) {
	t.Parallel()
	n := startAgent(t, func(n *node, cmd *exec.Cmd) {
		if os.Getuid() != 0 {
			return
		}
		// As root it could read anything.
		n.dir = publicDir(t)
		cmd.Dir = n.dir
		cmd.Path = filepath.Join(n.dir, "agent")
		stage(t, "/proc/self/exe", cmd.Path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	})
	n.run(`for f in environ maps fd/0; do cat /proc/$PPID/$f > /dev/null 2>&1 && echo "read $f"; done; echo done`)
	n.awaitExit()
	if got := n.lines(nex.StreamStdout); !slices.Equal(got, []string{"done"}) {
		t.Errorf("the workload could: %q", got)
	}
}

// publicDir is a temporary directory that other users can enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
