// Package preflight checks what a node needs, before it is started: its configuration, NATS, its
// programs, its data directory, and the sandboxes.
//
// Checks look and try, but leave nothing behind: what they make, a sandbox, its control group and the
// network of sandboxes, is gone when they return, and what they publish says
// nothing to anybody. They print nothing; what they find is a package checklist. What is missing and is to be had
// somewhere is an [Offer], which only Get takes up. All functions are safe for concurrent use.
package preflight

import (
	"context"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// MinFree is the free space below which the data directory gets a warning: 1 GiB.
const MinFree = 1 << 30

// Config says what to check.
type Config struct {
	// File is the configuration file.
	File string
	// Required says that a node would not start without File; else the defaults hold if it is missing.
	Required bool
	// NoSandbox allows to run without sandbox, whatever File says.
	NoSandbox bool
	// DataDir is the node's data directory.
	DataDir string
	// NATS is how the node connects.
	NATS NATS
	// Trials are what is tried; what is nil is the real thing.
	Trials Trials
}

// Run makes all checks, and says what of that which is missing or damaged can be got. The checks take as long as NATS does to answer, or until ctx ends.
// What depends on a configuration file that cannot be read is left out, and the list says so.
func Run(ctx context.Context, c Config) ([]checklist.Group, []Offer) {
	group, settings := Configuration(c.File, c.Required)
	groups := []checklist.Group{group}
	id := nodeID(c.DataDir)
	if settings == nil {
		defaults := config.Default()
		return append(groups, c.NATS.Check(ctx, id), DataDir(c.DataDir, defaults.PIDFilepath, MinFree), unchecked()), nil
	}
	settings.NoSandbox = settings.NoSandbox || c.NoSandbox
	nats := c.NATS
	nats.OwnServer = settings.PublicNATSServer != nil
	if _, own := settings.HostServices.Connection(); !own {
		nats.Services = &settings.HostServices.Services
	}
	groups = append(groups, nats.Check(ctx, id))
	if group, own := HostServices(ctx, settings.HostServices); own {
		if nats.OwnServer { // which may be where they connect to
			group.AllOptional()
		}
		groups = append(groups, group)
	}
	groups = append(groups,
		Programs(ctx, settings.BinPath),
		DataDir(c.DataDir, settings.PIDFilepath, MinFree),
	)
	levels, offers := sandboxes(ctx, *settings, places{c.File, c.DataDir}, c.Trials.orReal())
	return append(groups, levels...), offers
}

// unchecked stands for the groups that need a configuration.
func unchecked() checklist.Group {
	g := checklist.NewGroup("Programs and sandboxes")
	g.Add(checklist.Item{
		Name: "unchecked", Optional: true, Path: "(not checked)", Description: "depends on the configuration",
	}.Missing("mend the configuration, then check again"))
	return g
}
