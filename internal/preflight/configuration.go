package preflight

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// Configuration checks the configuration file and returns what it says: the defaults if there is no
// file, nil if it is wrong. Each problem is an item of its own. A missing file blocks if it is
// required.
func Configuration(file string, required bool) (checklist.Group, *config.Config) {
	dir := filepath.Dir(file)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	g := checklist.NewGroup("Configuration", dir)
	item := checklist.Item{Name: "configuration", Path: file, Description: "node configuration"}
	settings, err := config.Load(file)
	var problems config.Problems
	switch {
	case err == nil:
		g.Add(item.Found())
	case errors.Is(err, fs.ErrNotExist) && required:
		g.Add(item.Missing("there is no such file: nex node preflight --init writes a default one"))
		settings = defaults()
	case errors.Is(err, fs.ErrNotExist):
		item.Optional = true
		g.Add(item.Missing("the defaults hold, as there is no such file: nex node preflight --init writes one to begin with"))
		settings = defaults()
	case errors.As(err, &problems):
		for _, p := range problems {
			g.Add(item.Missing(p.Error()))
		}
	default:
		g.Add(item.Missing(err.Error()))
	}
	return g, settings
}

func defaults() *config.Config {
	c := config.Default()
	return &c
}

// beginning are the settings that people change first, out of all that there are.
type beginning struct {
	Nexus           string                 `json:"nexus"`
	NoSandbox       bool                   `json:"no_sandbox"`
	WorkloadTypes   []nex.WorkloadType     `json:"workload_types"`
	MachinePoolSize int                    `json:"machine_pool_size"`
	MachineTemplate config.MachineTemplate `json:"machine_template"`
	NodeLimits      config.NodeLimits      `json:"node_limits"`
}

// WriteDefault writes a configuration file that says what holds anyhow, but for noSandbox, as
// something to begin with. Its folder must exist. It never overwrites a file: the error is then
// fs.ErrExist. Only its owner may read the file, because secrets may be added to it.
func WriteDefault(file string, noSandbox bool) error {
	c := config.Default()
	data, err := json.MarshalIndent(beginning{
		Nexus: c.Nexus, NoSandbox: noSandbox, WorkloadTypes: c.WorkloadTypes,
		MachinePoolSize: c.MachinePoolSize, MachineTemplate: c.MachineTemplate, NodeLimits: c.NodeLimits,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write a default configuration: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write a default configuration: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file) // a part of a configuration is worse than none
		return fmt.Errorf("write a default configuration: %w", err)
	}
	return nil
}
