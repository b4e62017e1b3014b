package config_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/config"
)

func TestBoundClaims(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{`{}`, true},
		{`{"no_sandbox": true}`, false},
		{`{"require_bound_claims": false}`, false},
		{`{"require_bound_claims": true, "no_sandbox": true}`, true},
	}
	for _, tt := range tests {
		if got := parse(t, tt.text).BoundClaims(); got != tt.want {
			t.Errorf("%s: BoundClaims() = %t, want %t", tt.text, got, tt.want)
		}
	}
}

func TestOrphanLimit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{}`: 24 * time.Hour, `{"orphan_timeout": "90m"}`: 90 * time.Minute, `{"orphan_timeout": "0s"}`: 0,
	} {
		if got := parse(t, text).OrphanLimit(); got != want {
			t.Errorf("%s: OrphanLimit() = %s, want %s", text, got, want)
		}
	}
}

func TestPaths(t *testing.T) {
	data, other := filepath.Join("var", "data"), filepath.Join("srv", "other")
	absolute, err := filepath.Abs("k")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name                string
		c                   config.Config
		kernel, rootfs, pid string
	}{
		{
			"defaults",
			config.Config{},
			filepath.Join(data, "vmlinux"), filepath.Join(data, "rootfs.ext4"), filepath.Join(data, "node.pid"),
		},
		{
			"resource dir",
			config.Config{DefaultResourceDir: other, KernelFile: "k"},
			filepath.Join(other, "k"), filepath.Join(other, "rootfs.ext4"), filepath.Join(data, "node.pid"),
		},
		{
			"absolute file",
			config.Config{DefaultResourceDir: other, KernelFile: absolute, RootfsFile: absolute},
			absolute, absolute, filepath.Join(data, "node.pid"),
		},
		{
			"paths",
			config.Config{DefaultResourceDir: other, KernelFilepath: "k", RootfsFilepath: "r", PIDFilepath: "p"},
			"k", "r", "p",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.KernelPath(data); got != tt.kernel {
				t.Errorf("KernelPath = %s, want %s", got, tt.kernel)
			}
			if got := tt.c.RootfsPath(data); got != tt.rootfs {
				t.Errorf("RootfsPath = %s, want %s", got, tt.rootfs)
			}
			if got := tt.c.PIDPath(data); got != tt.pid {
				t.Errorf("PIDPath = %s, want %s", got, tt.pid)
			}
		})
	}
}
