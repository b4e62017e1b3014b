package process_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/process"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

var suite = sandboxtest.Suite{
	New: func(dir, agent string) (sandbox.Driver, error) {
		c := process.Config{AgentPath: agent, Dir: dir}
		// The directory has the name of the test in it, also for the node that is killed.
		if strings.Contains(dir, "InGroups") {
			var err error
			if c.Cgroups, err = managers.of(dir); err != nil {
				return nil, err
			}
		}
		return process.New(c)
	},
	HostProcesses: true,
}

// With this variable it prints how many files a child may open, and opens as many as it can itself.
const filesVariable = "NEX_PROCESS_TEST_FILES"

func openFiles() {
	child, err := exec.Command("/bin/sh", "-c", "ulimit -Hn").CombinedOutput()
	fmt.Print(string(child))
	if err != nil {
		fmt.Println(err)
	}
	n := 0
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		defer f.Close()
		n++
	}
	fmt.Println("opened", n)
}

func TestMain(m *testing.M) {
	if os.Getenv(filesVariable) != "" {
		openFiles()
		os.Exit(0)
	}
	code := sandboxtest.Main(m, suite)
	if err := managers.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestConformance(t *testing.T) { sandboxtest.Run(t, suite) }

// Where there can be no control groups it is the same again.
func TestConformanceInGroups(t *testing.T) { sandboxtest.Run(t, suite) }

// managers are those of the drivers of this test binary, one for each directory, as each node has one.
var managers cgroupManagers

type cgroupManagers struct {
	mu    sync.Mutex
	byDir map[string]*cgroup.Manager
}

func (c *cgroupManagers) of(dir string) (*cgroup.Manager, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.byDir[dir]; m != nil {
		return m, nil
	}
	m, err := cgroup.Open(cgroup.Config{Prefix: fmt.Sprintf("nex-test-%x", sha256.Sum256([]byte(dir)))[:24]})
	if err != nil {
		return nil, err
	}
	if c.byDir == nil {
		c.byDir = map[string]*cgroup.Manager{}
	}
	c.byDir[dir] = m
	return m, nil
}

// close says what the tests have left.
func (c *cgroupManagers) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed []error
	for _, m := range c.byDir {
		failed = append(failed, m.Close())
	}
	return errors.Join(failed...)
}
