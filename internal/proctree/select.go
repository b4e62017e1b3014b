//go:build linux || darwin

package proctree

import "slices"

// selection says which rows of the process table are meant.
type selection struct {
	roots   []Identity // zero values select nothing; their boot is the caller's to check
	markers []string   // NAME=value
	adopted bool       // the descendants of this very process outside its session
	known   []process  // these, if they still run
}

// found is what a selection holds at one time.
type found struct {
	running []process
	zombies []process // that are children of this process and not the root: to be reaped
}

// of selects from t, as seen by the process with number self. It never selects self, what is above
// it, or init. It asks carries only about processes that nothing else selects.
func (s selection) of(t table, self int, carries func(p process, markers []string) bool) found {
	c := collector{table: t, chosen: map[int]bool{}, barred: ancestors(t, self), children: map[int][]int{}, sessions: map[int][]int{}}
	for pid, p := range t {
		c.children[p.ppid] = append(c.children[p.ppid], pid)
		c.sessions[p.session] = append(c.sessions[p.session], pid)
	}
	for _, root := range s.roots {
		c.addRoot(root)
	}
	for _, p := range s.known {
		if c.table[p.pid].start == p.start {
			c.add(p.pid)
		}
	}
	if s.adopted {
		c.addAdopted(self)
	}
	if len(s.markers) > 0 {
		for pid, p := range t {
			if !c.chosen[pid] && !c.barred[pid] && !p.ended && !p.kernel && carries(p, s.markers) {
				c.add(pid)
			}
		}
	}
	return c.result(s.roots, self)
}

// collector grows a set of processes.
type collector struct {
	table    table
	chosen   map[int]bool
	barred   map[int]bool
	children map[int][]int
	sessions map[int][]int
}

// add takes in a process, its descendants, and the sessions that any of them leads.
func (c *collector) add(pid int) {
	if c.chosen[pid] || c.barred[pid] {
		return
	}
	c.chosen[pid] = true
	for _, child := range c.children[pid] {
		c.add(child)
	}
	if c.table[pid].session == pid {
		for _, member := range c.sessions[pid] {
			c.add(member)
		}
	}
}

func (c *collector) addRoot(root Identity) {
	if root.PID == 0 {
		return
	}
	p, there := c.table[root.PID]
	switch {
	case there && p.start == root.StartTime:
		c.add(root.PID)
	case !there:
		// Its session keeps its number while anybody is in it. Who is older than the root is in an
		// older session of that number.
		for _, pid := range c.sessions[root.PID] {
			if c.table[pid].start >= root.StartTime {
				c.add(pid)
			}
		}
	}
}

// addAdopted takes in what is below this process but not in its session: the tree, because a
// process that has left a session cannot come back to it.
func (c *collector) addAdopted(self int) {
	own := c.table[self].session
	for _, child := range c.children[self] {
		if c.table[child].session != own {
			c.add(child)
		}
	}
}

func (c *collector) result(roots []Identity, self int) found {
	var f found
	isRoot := func(pid int) bool {
		return slices.ContainsFunc(roots, func(root Identity) bool { return root.PID == pid })
	}
	for pid := range c.chosen {
		p := c.table[pid]
		switch {
		case !p.ended:
			f.running = append(f.running, p)
		case p.ppid == self && !isRoot(pid):
			f.zombies = append(f.zombies, p)
		}
	}
	return f
}

// ancestors is a process, all above it, and init.
func ancestors(t table, self int) map[int]bool {
	set := map[int]bool{0: true, 1: true}
	for pid := self; !set[pid]; pid = t[pid].ppid {
		set[pid] = true
	}
	return set
}
