package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/sandbox"
)

const (
	// period is after how many microseconds a group gets its time on the processors again.
	period = 100_000
	// The kernel gives out no less than a millisecond of it, and counts it in 44 bits of nanoseconds.
	minCPUs = 0.01
	maxCPUs = 10_000
)

// setting is a value for a file of the group.
type setting struct{ path, value string }

// change goes from limits to others. If a file refuses its value, those before it get theirs back.
func (g *Group) change(from, to sandbox.Limits) error {
	if err := g.mayShrink(from, to); err != nil {
		return err
	}
	disks, err := g.disks(from, to)
	if err != nil {
		return err
	}
	// Both have the same files in the same order.
	now, next := g.settings(from, disks), g.settings(to, disks)
	if bigger(to.MemoryBytes, from.MemoryBytes) {
		g.swapFirst(now)
		g.swapFirst(next)
	}
	for i, s := range next {
		if s == now[i] && !g.unsure {
			continue
		}
		err := g.m.files.write(s.path, s.value)
		if err == nil {
			continue
		}
		failed := []error{refused(s, err)}
		for ; i >= 0; i-- {
			if next[i] != now[i] || g.unsure {
				failed = append(failed, g.m.files.write(now[i].path, now[i].value))
			}
		}
		return errors.Join(failed...)
	}
	return nil
}

// bigger compares bounds, of which 0 is none.
func bigger(a, b int64) bool { return b != 0 && (a == 0 || a > b) }

func refused(s setting, err error) error {
	if errors.Is(err, unix.EBUSY) && strings.HasPrefix(filepath.Base(s.path), "memory.") {
		return fmt.Errorf("more than %s bytes of memory are in use: %w", s.value, err)
	}
	return err
}

// settings are all that the limits say, for each controller that there is.
func (g *Group) settings(l sandbox.Limits, disks []string) []setting {
	var all []setting
	if p, ok := g.in(memory); ok {
		all = append(all, p.memory(l.MemoryBytes)...)
	}
	if p, ok := g.in(pids); ok {
		all = append(all, setting{filepath.Join(p.dir, "pids.max"), orMax(int64(l.PIDs))})
	}
	if p, ok := g.in(cpu); ok {
		all = append(all, p.time(l.CPUs))
	}
	if p, ok := g.in(block); ok {
		bytes, operations := orMax(perSecond(l.Bandwidth)), orMax(perSecond(l.IOPS))
		for _, d := range disks {
			value := fmt.Sprintf("%s rbps=%s wbps=%s riops=%s wiops=%s", d, bytes, bytes, operations, operations)
			all = append(all, setting{filepath.Join(p.dir, "io.max"), value})
		}
	}
	return all
}

// time bounds the time on processors.
func (p part) time(cpus float64) setting {
	quota := int64(math.Round(cpus * period))
	if p.unified {
		return setting{filepath.Join(p.dir, "cpu.max"), fmt.Sprint(orMax(quota), " ", period)}
	}
	return setting{filepath.Join(p.dir, "cpu.cfs_quota_us"), orNone(quota)}
}

// memory bounds memory, and swap so that it is no way out. Version 1 wants first what is to be smaller.
func (p part) memory(bytes int64) []setting {
	if p.unified {
		swap := orMax(0)
		if bytes > 0 {
			swap = "0"
		}
		return existing(setting{filepath.Join(p.dir, "memory.max"), orMax(bytes)}, setting{filepath.Join(p.dir, "memory.swap.max"), swap})
	}
	return existing(
		setting{filepath.Join(p.dir, "memory.limit_in_bytes"), orNone(bytes)},
		// Memory and swap together, which can never be less than memory alone.
		setting{filepath.Join(p.dir, "memory.memsw.limit_in_bytes"), orNone(bytes)})
}

// existing leaves the second out if the kernel does not account for swap.
func existing(first, second setting) []setting {
	if _, err := os.Stat(second.path); err != nil {
		return []setting{first}
	}
	return []setting{first, second}
}

// swapFirst puts the limit of memory and swap together before that of memory alone, where there are both.
func (g *Group) swapFirst(all []setting) {
	if p, ok := g.in(memory); ok && !p.unified && len(all) > 1 && strings.HasSuffix(all[1].path, ".memsw.limit_in_bytes") {
		all[0], all[1] = all[1], all[0]
	}
}

// mayShrink refuses what version 2 would do at once: kill until the memory is enough. Version 1 refuses it itself.
func (g *Group) mayShrink(from, to sandbox.Limits) error {
	p, ok := g.in(memory)
	if !ok || !p.unified || !bigger(from.MemoryBytes, to.MemoryBytes) {
		return nil
	}
	used, err := number(filepath.Join(p.dir, "memory.current"))
	if err != nil {
		return err
	}
	stat, err := entries(filepath.Join(p.dir, "memory.stat"))
	if err != nil {
		return err
	}
	// What the kernel can drop is no use that counts.
	used -= stat["active_file"] + stat["inactive_file"] + stat["slab_reclaimable"]
	if used > to.MemoryBytes {
		return fmt.Errorf("%d bytes of memory are in use, more than %d", used, to.MemoryBytes)
	}
	return nil
}

// disks are the devices whose input and output is bounded, as major:minor; none if neither limits say so.
func (g *Group) disks(from, to sandbox.Limits) ([]string, error) {
	if from.Bandwidth == nil && from.IOPS == nil && to.Bandwidth == nil && to.IOPS == nil {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(g.m.files.disks, "*", "dev"))
	if err != nil {
		return nil, err
	}
	var disks []string
	for _, f := range files {
		switch name := filepath.Base(filepath.Dir(f)); {
		case strings.HasPrefix(name, "loop"), strings.HasPrefix(name, "ram"), strings.HasPrefix(name, "zram"):
			// Memory, or files of other disks.
		default:
			b, err := os.ReadFile(f)
			if err != nil {
				continue // it was pulled out
			}
			disks = append(disks, strings.TrimSpace(string(b)))
		}
	}
	return disks, nil
}

// perSecond is the rate that a bucket allows for long. What it allows at the start is not given.
func perSecond(r *sandbox.Rate) int64 {
	if r == nil {
		return 0
	}
	return max(1, int64(min(math.MaxInt64/2, float64(r.Size)/r.Refill.Seconds())))
}

// orMax and orNone write numbers of which 0 is no bound, as version 2 and version 1 do.
func orMax(n int64) string {
	if n == 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func orNone(n int64) string {
	if n == 0 {
		return "-1"
	}
	return strconv.FormatInt(n, 10)
}
