package sandboxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

const agentPackage = "github.com/nex-engine/nex/internal/sandbox/sandboxtest/agent"

// BuildAgent builds the suite's agent for this machine and returns its path. What it does is told by
// its bootstrap document: see package plan.
func BuildAgent(t testing.TB) string {
	t.Helper()
	return (&agents{dir: t.TempDir()}).path(t, runtime.GOOS, runtime.GOARCH)
}

// agents builds the suite's agent once for each system that is asked for.
type agents struct {
	dir string

	mu    sync.Mutex
	built map[string]string

	staging sync.Mutex
	staged  func(id string) string // once it is known: see stagedPath
}

func (a *agents) path(t testing.TB, goos, goarch string) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	system := goos + "-" + goarch
	if path, ok := a.built[system]; ok {
		return path
	}
	path := filepath.Join(a.dir, "agent-"+system)
	if goos == "windows" {
		path += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", path, agentPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the suite's agent: %v\n%s", err, out)
	}
	if a.built == nil {
		a.built = map[string]string{}
	}
	a.built[system] = path
	return path
}

// exe is the name that a program has here.
func exe(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// secretOf is a secret that cannot be anywhere by chance.
func secretOf(name string) string { return fmt.Sprintf("%s-secret-%d", name, os.Getpid()) }
