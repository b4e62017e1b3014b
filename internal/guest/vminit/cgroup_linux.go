package vminit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nex-engine/nex/internal/guest"
)

// groupRoot is where control groups are.
const groupRoot = "/sys/fs/cgroup"

// group is the control group of the agent, and of all that it starts.
type group struct {
	dir   string
	files map[string]string // by name, what is in them; without those that the kernel has not
}

// period is that of cpu.max, in microseconds.
const period = 100_000

// newGroup makes the group in the root of a hierarchy.
func newGroup(root string) (*group, error) {
	control := filepath.Join(root, "cgroup.subtree_control")
	if os.WriteFile(control, []byte("+cpu +memory +pids"), 0) != nil {
		for _, controller := range []string{"+cpu", "+memory", "+pids"} {
			// A kernel without it refuses. What it is needed for then fails.
			_ = os.WriteFile(control, []byte(controller), 0)
		}
	}
	g := &group{dir: filepath.Join(root, "agent"), files: map[string]string{}}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the control group of the agent: %w", err)
	}
	for name, value := range g.settings(guest.Limits{}) {
		if _, err := os.Stat(filepath.Join(g.dir, name)); err == nil {
			g.files[name] = value
		}
	}
	// The group may have no more than its memory.
	err := os.WriteFile(filepath.Join(g.dir, "memory.swap.max"), []byte("0"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("make the control group of the agent: %w", err)
	}
	return g, nil
}

// settings are what the files of a group have to have for limits.
func (g *group) settings(l guest.Limits) map[string]string {
	s := map[string]string{"memory.max": "max", "pids.max": "max", "cpu.max": fmt.Sprintf("max %d", period)}
	if l.MemoryBytes > 0 {
		s["memory.max"] = strconv.FormatInt(l.MemoryBytes, 10)
	}
	if l.PIDs > 0 {
		s["pids.max"] = strconv.Itoa(l.PIDs)
	}
	if l.CPUs > 0 {
		// The kernel takes no less than a millisecond.
		s["cpu.max"] = fmt.Sprintf("%d %d", max(int64(l.CPUs*period), 1000), period)
	}
	return s
}

// set makes limits hold, all of them or none.
func (g *group) set(l guest.Limits) error {
	before := map[string]string{}
	for name, value := range g.settings(l) {
		old, ok := g.files[name]
		if old == value {
			continue
		}
		err := errors.New("the kernel of the VM has no such control group")
		none := value == g.settings(guest.Limits{})[name]
		if !ok && none {
			continue
		}
		if ok {
			err = os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0)
		}
		if err != nil {
			for name, value := range before {
				_ = os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0) // it held before
				g.files[name] = value
			}
			return fmt.Errorf("limit %s to %s: %w", name, value, err)
		}
		before[name] = old
		g.files[name] = value
	}
	return nil
}

// killed is how often a process of the VM was killed because memory had run out, that of the group or all.
func killed() uint64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == "oom_kill" {
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
