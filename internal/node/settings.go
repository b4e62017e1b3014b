package node

import (
	"cmp"
	"path/filepath"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/image"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/workload"
)

// settings are what the sandbox of a workload is like: what its request says, else the node's template,
// of what can hold here.
func (n *node) settings(spec workload.Spec) sandbox.Settings {
	t, holds := n.cfg.Settings.MachineTemplate, n.driver.Capabilities().Limits
	var l sandbox.Limits
	if holds.Memory {
		l.MemoryBytes = n.memory(spec)
	}
	if holds.CPUs {
		l.CPUs = cmp.Or(spec.CPUs, float64(t.VCPUCount))
	}
	if holds.PIDs {
		l.PIDs = t.PIDs
	}
	if holds.OpenFiles {
		l.OpenFiles = t.OpenFiles
	}
	if holds.Disk {
		l.DiskBytes = int64(t.DiskMiB) << 20
	}
	l.Bandwidth = rate(n.cfg.Settings.RateLimiters.Bandwidth)
	l.IOPS = rate(n.cfg.Settings.RateLimiters.IOPS)
	return sandbox.Settings{Limits: l, Egress: spec.Egress}
}

// memory is what agent and workload may use together.
func (n *node) memory(spec workload.Spec) int64 {
	return int64(cmp.Or(spec.MemoryMiB, n.cfg.Settings.MachineTemplate.MemSizeMiB)) << 20
}

func rate(r *config.TokenBucket) *sandbox.Rate {
	if r == nil {
		return nil
	}
	return &sandbox.Rate{Size: r.Size, Refill: time.Duration(r.RefillTime) * time.Millisecond, Burst: r.OneTimeBurst}
}

// openImages opens the store of container images, nil if the node runs none.
func (n *node) openImages() (workload.Images, error) {
	s := n.cfg.Settings
	if !n.driver.Capabilities().Images || !n.runs(func(t nex.WorkloadType) bool { return t == nex.TypeOCI }) {
		return nil, nil
	}
	store, err := image.Open(image.Config{
		Dir: filepath.Join(n.cfg.DataDir, "images"), MaxBytes: s.CacheMaxBytes, AllowFile: s.AllowFileArtifacts, Logger: n.log,
		// gVisor needs them. Machines make theirs themselves; but images stay when the level changes.
		MountPoints: gvisor.ImageMountPoints,
	})
	if err != nil {
		return nil, err
	}
	n.images = store
	n.onClose(func() { n.closed("image store", store.Close()) })
	return store, nil
}
