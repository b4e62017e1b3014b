//go:build linux || darwin

package proctree

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// freezePasses bounds how often the processes of a tree are stopped before they are killed,
	// for a tree that grows faster than it can be read.
	freezePasses = 32
	// emptyPasses is how often in a row the table must show nobody: a process whose parent ends
	// while the table is read looks for a moment as if it belonged to nobody.
	emptyPasses = 2
	// awaitAtMost is how long killed processes are waited for before the table is read again.
	awaitAtMost = 50 * time.Millisecond
)

// killer ends what a selection holds. It stops processes before it kills them, so that none can
// start another meanwhile, and leaves the root to the end: an agent is the parent of what its
// workload left behind, and with the agent gone that would belong to nobody.
type killer struct {
	selection selection
	self      int
	frozen    map[Identity]bool
}

func newKiller(s selection) *killer {
	return &killer{selection: s, self: os.Getpid(), frozen: map[Identity]bool{}}
}

// run returns nil when nothing is left, or an error when ctx has ended. Then selection.known is what
// is left.
func (k *killer) run(ctx context.Context) error {
	for empty, passes := 0, 0; ; {
		t, err := readTable()
		if err != nil {
			return err
		}
		f := k.selection.of(t, k.self, carries)
		// A zombie that is reaped hands us the zombies below it.
		if reap(f.zombies) || len(f.running) > 0 {
			empty = 0
		} else {
			empty++
		}
		if empty == emptyPasses {
			k.selection.known = nil
			return nil
		}
		if len(f.running) == 0 {
			continue
		}
		if passes++; k.freeze(t, f.running) && passes < freezePasses {
			continue
		}
		passes = 0
		await(sigkill(k.victims(f.running)), awaitAtMost)
		if ctx.Err() == nil {
			continue
		}
		await(sigkill(f.running), awaitAtMost) // the root as well
		if rest := slices.DeleteFunc(f.running, hasEnded); len(rest) > 0 {
			k.selection.known = rest
			return left(context.Cause(ctx), rest)
		}
	}
}

// freeze stops those that are not stopped yet and reports whether there were any.
func (k *killer) freeze(t table, running []process) bool {
	var fresh []process
	for _, p := range running {
		if id := (Identity{PID: p.pid, StartTime: p.start}); !k.frozen[id] {
			k.frozen[id] = true
			fresh = append(fresh, p)
		}
	}
	// A group is stopped as a whole, between two forks of its members; processes one by one can
	// win a race against us for ever.
	for pgrp := range exclusiveGroups(t, running, fresh) {
		_ = unix.Kill(-pgrp, unix.SIGSTOP)
	}
	for _, p := range fresh {
		h := open(p)
		h.signal(unix.SIGSTOP)
		h.close()
	}
	return len(fresh) > 0
}

// exclusiveGroups are the process groups of the fresh processes of which every member is running
// in the tree.
func exclusiveGroups(t table, running, fresh []process) map[int]bool {
	ours := make(map[int]bool, len(running))
	for _, p := range running {
		ours[p.pid] = true
	}
	groups := map[int]bool{}
	for _, p := range fresh {
		if p.pgrp > 1 {
			groups[p.pgrp] = true
		}
	}
	for _, p := range t {
		if !ours[p.pid] && !p.ended {
			delete(groups, p.pgrp)
		}
	}
	return groups
}

// victims are the running processes without the roots, or the roots when they are alone.
func (k *killer) victims(running []process) []process {
	others := slices.DeleteFunc(slices.Clone(running), func(p process) bool {
		return slices.ContainsFunc(k.selection.roots, func(root Identity) bool { return p.pid == root.PID && p.start == root.StartTime })
	})
	if len(others) == 0 {
		return running
	}
	return others
}

func hasEnded(p process) bool {
	return !Identity{PID: p.pid, StartTime: p.start}.sameAndRunning()
}

// left is the error for processes that did not end in time.
func left(cause error, running []process) error {
	const most = 5
	var names []string
	for i, p := range running {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%d (%s)", p.pid, p.name))
	}
	noun := "processes are"
	if len(running) == 1 {
		noun = "process is"
	}
	return fmt.Errorf("kill process tree: %d %s left, %s: %w", len(running), noun, strings.Join(names, ", "), cause)
}
