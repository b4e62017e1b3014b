package workload

import (
	"context"
	"maps"
	"slices"

	nex "github.com/nex-engine/nex"
)

// Leave gives all workloads up without stopping them, and returns when nothing of this process has to do with
// them any more: calls under way are answered, and starts under way have come to an end. The next node process
// adopts what runs. Deploy fails from then on.
func (m *Manager) Leave() {
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	all := slices.Collect(maps.Values(m.workloads))
	m.mu.Unlock()
	if first {
		close(m.left)
	}
	for _, w := range all {
		w.cancelStart()
	}
	m.group.Wait()
}

// leaving reports whether the manager has given its workloads up.
func (m *Manager) leaving() bool {
	select {
	case <-m.left:
		return true
	default:
		return false
	}
}

// leave lets the calls of a function be answered that have reached this node.
func (w *Workload) leave() outcome {
	if w.function != nil {
		ctx, cancel := context.WithTimeout(context.Background(), DefaultGrace)
		defer cancel()
		w.function.Detach(ctx)
	}
	return outcome{left: true}
}

// StartWithNode is the number of workloads that start again with the node after it has stopped them.
func (m *Manager) StartWithNode() int {
	n := 0
	for _, w := range m.find(func(Spec) bool { return true }) {
		if !w.Status().State.Ended() && w.policy() != nex.RestartNever {
			n++
		}
	}
	return n
}
