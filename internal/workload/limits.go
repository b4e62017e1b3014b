package workload

import (
	nex "github.com/nex-engine/nex"
)

// Limits of a node; 0 means none.
type Limits struct {
	Workloads     int
	TotalBytes    int64 // of the artifacts of all that run
	WorkloadBytes int64 // of one artifact
}

// maxArtifact is how large an artifact can be at all; 0 means that there is no limit.
func (l Limits) maxArtifact() int64 {
	switch {
	case l.WorkloadBytes == 0:
		return l.TotalBytes
	case l.TotalBytes == 0:
		return l.WorkloadBytes
	}
	return min(l.WorkloadBytes, l.TotalBytes)
}

// Full returns an [nex.Error] with code [nex.CodeNodeFull] when no workload more can be taken.
func (m *Manager) Full() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fullLocked()
}

func (m *Manager) fullLocked() error {
	if m.cfg.Limits.Workloads > 0 && m.activeLocked() >= m.cfg.Limits.Workloads {
		return nex.ErrNodeFull
	}
	return nil
}

// reserve notes the size of a workload's artifact, unless it is over the limits. It may be called
// again when more is known.
func (m *Manager) reserve(w *Workload, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := size
	for _, other := range m.workloads {
		if other != w {
			total += other.bytes
		}
	}
	l := m.cfg.Limits
	if (l.WorkloadBytes > 0 && size > l.WorkloadBytes) || (l.TotalBytes > 0 && total > l.TotalBytes) {
		return nex.ErrArtifactTooLarge
	}
	w.bytes = size
	return nil
}
