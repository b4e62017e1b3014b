//go:build linux

package network

import "net/netip"

// numbers hands out the addresses of a subnet, each again as late as can be.
type numbers struct {
	used []bool // by number; the network's own, the gateway's and the last are used
	last int
}

func newNumbers(p netip.Prefix) numbers {
	n := numbers{used: make([]bool, 1<<(32-p.Bits())), last: 1}
	n.used[0], n.used[1], n.used[len(n.used)-1] = true, true, true
	return n
}

// size is how many can be handed out.
func (n *numbers) size() int { return len(n.used) - 3 }

func (n *numbers) take() (int, bool) {
	for range n.used {
		n.last = (n.last + 1) % len(n.used)
		if !n.used[n.last] {
			n.used[n.last] = true
			return n.last, true
		}
	}
	return 0, false
}

// keep marks a number as handed out, and reports whether it was there to hand out.
func (n *numbers) keep(i int) bool {
	if i >= len(n.used) || n.used[i] {
		return false
	}
	n.used[i] = true
	return true
}

func (n *numbers) give(i int) { n.used[i] = false }
