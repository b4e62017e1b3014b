package escape_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/nextest"
)

// binDir has nex, nex-agent, runsc, intruder, intruderfunction as a program and as a function, and
// separatedfunction.
var binDir string

func TestMain(m *testing.M) { os.Exit(nextest.Isolate(func() int { return run(m) })) }

// run builds the programs once.
func run(m *testing.M) int {
	if !nextest.Sandboxed() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "nex-escape-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binDir = dir
	for _, build := range []func(string) error{nextest.BuildNex, nextest.BuildAgent, nextest.BuildRunsc, buildIntruders} {
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildIntruders builds the programs in testdata, which are static.
func buildIntruders(dir string) error {
	for _, name := range []string{"intruder", "intruderfunction"} {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), "./testdata/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	for _, name := range []string{"intruderfunction", "separatedfunction"} {
		if err := nextest.BuildFunction(filepath.Join(dir, name+".wasm"), "./internal/escape/testdata/"+name); err != nil {
			return err
		}
	}
	return nil
}

// TestEscape attacks one node in all ways, one kind after the other, with a neighbour that must not notice.
func TestEscape(t *testing.T) {
	if !nextest.Sandboxed() {
		t.Skip("escape tests need root: sandboxes with a network of their own")
	}
	before, groups := machine(t), []string(nil)
	t.Cleanup(func() { // after the node has ended
		if after := machine(t); after != before {
			t.Errorf("on the machine there was\n%s\nand there is\n%s", before, after)
		}
		for _, group := range groups {
			if _, err := os.Stat(group); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of the node the control group %s is left: %v", group, err)
			}
		}
	})
	w := newWorld(t)
	r := start(t, `{
		"allow_file_artifacts": true, "machine_pool_size": 0,
		"machine_template": {"vcpu_count": 1, "memsize_mib": 256, "pids": 200, "open_files": 1024, "disk_mib": 64},
		"cni": {"nameservers": ["`+publicAddr+`"]}
	}`)
	r.deploy(t, r.intruder(neighbour))
	r.neighbours, groups = r.sandboxes(t), r.groups(t)
	if len(groups) == 0 {
		t.Fatal("there are no control groups")
	}
	for _, group := range []struct {
		name string
		run  func(*testing.T, *rig, *world)
	}{
		{"files", files},
		{"agent", agent},
		{"kernel", kernel},
		{"user namespace", userNamespace},
		{"reach", reach},
		{"images", images},
		{"layers", layers},
		{"functions", functions},
		{"memory", memory},
		{"processes", processes},
		{"disk", disk},
		{"open files", openFiles},
		{"processors", processors},
	} {
		t.Run(group.name, func(t *testing.T) {
			began := time.Now()
			in := *r
			in.deployed = map[string]string{}
			t.Cleanup(func() {
				in.stopAll(t)
				in.clean(t)
				t.Logf("%s", time.Since(began).Round(time.Millisecond))
			})
			group.run(t, &in, w)
		})
	}
}
