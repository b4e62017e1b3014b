package cgroup

import (
	"fmt"
	"strconv"
)

// How the kernel chooses whom to kill when the machine has no memory left.
const (
	// sooner is by how much more what is started in a group is for killing than this process.
	sooner      = 500
	maxScoreAdj = 1000
)

// OOMScoreAdj is what the kernel adds to the size of a process of a group, in thousandths of all memory, when
// it chooses whom to kill because the machine has none left: more than for this process, so that a node
// outlives its sandboxes. [Group.Start] sets it.
func OOMScoreAdj() int {
	own, err := number("/proc/self/oom_score_adj")
	if err != nil {
		own = 0
	}
	return int(min(own+sooner, maxScoreAdj))
}

// expose gives a process, and what it starts from now on, that value.
func expose(pid int) {
	// Where that is refused, or the process has ended, it goes without: everything else works as well.
	_ = write(fmt.Sprintf("/proc/%d/oom_score_adj", pid), strconv.Itoa(OOMScoreAdj()))
}
