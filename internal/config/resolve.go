package config

import (
	"path/filepath"
	"time"
)

// BoundClaims reports whether the claims of requests must be bound to them: what the file says, and
// when it says nothing, true unless workloads run without a sandbox.
func (c Config) BoundClaims() bool {
	if c.RequireBoundClaims != nil {
		return *c.RequireBoundClaims
	}
	return !c.NoSandbox
}

// OrphanLimit is how long workloads go on without their node; 0 is for ever.
func (c Config) OrphanLimit() time.Duration {
	limit, _ := time.ParseDuration(c.OrphanTimeout) // it has been checked
	return limit
}

// ResourceDir is where kernel and rootfs are looked for.
func (c Config) ResourceDir(dataDir string) string {
	if c.DefaultResourceDir != "" {
		return c.DefaultResourceDir
	}
	return dataDir
}

// NamesMachines reports whether the configuration says which kernel or root file system microVMs have.
func (c Config) NamesMachines() bool {
	return c.KernelFile != "" || c.KernelFilepath != "" || c.RootfsFile != "" || c.RootfsFilepath != ""
}

// KernelPath is the kernel of microVMs.
func (c Config) KernelPath(dataDir string) string {
	return c.resource(dataDir, c.KernelFilepath, c.KernelFile, "vmlinux")
}

// RootfsPath is the root file system image of microVMs.
func (c Config) RootfsPath(dataDir string) string {
	return c.resource(dataDir, c.RootfsFilepath, c.RootfsFile, "rootfs.ext4")
}

func (c Config) resource(dataDir, path, name, standard string) string {
	switch {
	case path != "":
		return path
	case name == "":
		name = standard
	case filepath.IsAbs(name): // existing configurations have paths here as well
		return name
	}
	return filepath.Join(c.ResourceDir(dataDir), name)
}

// PIDPath is the file with the node's process id.
func (c Config) PIDPath(dataDir string) string {
	if c.PIDFilepath != "" {
		return c.PIDFilepath
	}
	return filepath.Join(dataDir, "node.pid")
}
