package workload

import (
	"cmp"
	"context"
	"slices"

	nex "github.com/nex-engine/nex"
)

// List returns the workloads of a namespace that run or that ended by themselves, oldest first; of
// all namespaces when it is empty.
func (m *Manager) List(namespace string) []Status {
	all := m.find(func(s Spec) bool { return namespace == "" || s.Namespace == namespace })
	list := make([]Status, len(all))
	for i, w := range all {
		list[i] = w.Status()
	}
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(a.Accepted.Compare(b.Accepted), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return list
}

// Configured are the specs of the workloads of the node's configuration that have not ended.
func (m *Manager) Configured() []Spec {
	var specs []Spec
	for _, w := range m.find(func(s Spec) bool { return s.Configured }) {
		if !w.Status().State.Ended() {
			specs = append(specs, w.spec)
		}
	}
	return specs
}

// GoesOn waits until it is known what becomes of a workload that was restored, and reports whether it goes on.
func (m *Manager) GoesOn(ctx context.Context, id string) bool {
	m.mu.Lock()
	w := m.workloads[id]
	m.mu.Unlock()
	if w == nil {
		return false
	}
	select {
	case <-w.moved:
	case <-ctx.Done():
	}
	return !w.Status().State.Ended()
}

// Active is the number of workloads that have not ended.
func (m *Manager) Active() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.activeLocked()
}

func (m *Manager) activeLocked() int { return len(m.workloads) - len(m.ended) }

// Logs returns the last lines, at most n, that are kept of a namespace's workloads, oldest first;
// of one workload when an id or name is given.
func (m *Manager) Logs(namespace, idOrName string, n int) []nex.LogLine {
	var lines []nex.LogLine
	for _, w := range m.find(func(s Spec) bool {
		return s.Namespace == namespace && (idOrName == "" || idOrName == s.ID || idOrName == s.Name)
	}) {
		lines = append(lines, w.journal.last(w.spec.Name, n)...)
	}
	slices.SortStableFunc(lines, func(a, b nex.LogLine) int { return a.Time.Compare(b.Time) })
	return lines[max(0, len(lines)-n):]
}

// find returns the workloads whose spec is wanted, in no order.
func (m *Manager) find(wanted func(Spec) bool) []*Workload {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*Workload
	for _, w := range m.workloads {
		if wanted(w.spec) {
			all = append(all, w)
		}
	}
	return all
}
