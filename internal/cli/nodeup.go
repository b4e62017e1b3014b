package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/node"
	"github.com/nex-engine/nex/internal/upstate"
)

// nodeFlags are what up and node up have in common.
type nodeFlags struct {
	Config    string `help:"Configuration file of the node." placeholder:"FILE" type:"path"`
	NoSandbox bool   `help:"Run workloads as ordinary processes of this user, not in a sandbox: for what you trust only."`
}

// settings reads the configuration; without a file it is the default one.
func (f nodeFlags) settings(file string) (config.Config, error) {
	settings := config.Default()
	if file != "" {
		loaded, err := config.Load(file)
		if err != nil {
			return settings, err
		}
		settings = *loaded
	}
	if f.NoSandbox {
		settings.NoSandbox = true
	}
	return settings, nil
}

// defaultConfig is the configuration file of node up and node preflight when none is named.
const defaultConfig = "./config.json"

// orDefault is the file that was named, or the default one if that exists.
func (f nodeFlags) orDefault() string {
	if f.Config != "" {
		return f.Config
	}
	if _, err := os.Stat(defaultConfig); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return defaultConfig
}

type nodeUpCommand struct {
	nodeFlags
	KeepWorkloads bool `help:"Leave workloads running when the node ends: the next node with this data directory takes them over, if it comes within the configuration's orphan_timeout."`
	JSON          bool `name:"json" help:"Print one JSON object when ready."`
}

// Run starts a node and serves until it is interrupted.
func (c *nodeUpCommand) Run(ctx context.Context, s *session) error {
	file := c.orDefault()
	settings, err := c.settings(file)
	if err != nil {
		return err
	}
	dir, err := s.openDataDir()
	if err != nil {
		return err
	}
	defer dir.Close()
	log := s.logger()
	public, err := startPublic(ctx, settings, dir.Path(), log)
	if err != nil {
		return err
	}
	workloadURL := ""
	if public != nil {
		defer public.Shutdown()
		workloadURL = public.ClientURL()
	}
	nc, err := s.Settings.Connect(ctx, append(s.Settings.LongLived(log), nats.Name(s.connName("nex node")))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	place, err := s.JetStreamPlace()
	if err != nil {
		return err
	}
	if workloadURL == "" {
		workloadURL = natsconn.ConnectedURL(nc)
	}
	log.Info("established node NATS connection", "url", natsconn.ConnectedURL(nc))
	if file != "" {
		log.Info("loaded node configuration", "file", file)
	}
	hurry, release := secondSignal()
	defer release()
	return node.Run(ctx, node.Config{
		Hurry:    hurry,
		Settings: settings, DataDir: dir.Path(), Logger: log, Control: nc, JetStream: place, WorkloadURL: workloadURL,
		KeepWorkloads: c.KeepWorkloads,
		Ready: func(f node.Facts) {
			s.printNodeReady(upstate.State{
				ControlURL: natsconn.ConnectedURL(nc), NATSURL: natsconn.ConnectedURL(nc), NodeID: f.NodeID,
				Sandbox: string(f.Sandbox), DataDir: dir.Path(), PID: os.Getpid(),
			}, c.JSON)
		},
	})
}

func (s *session) printNodeReady(state upstate.State, asJSON bool) {
	if asJSON {
		_ = render.JSONLine(s.Out, state)
		return
	}
	fmt.Fprintf(s.Out, "Node:     %s\n", state.NodeID)
	fmt.Fprintf(s.Out, "NATS:     %s\n", state.ControlURL)
	fmt.Fprintf(s.Out, "Sandbox:  %s\n", state.Sandbox)
	fmt.Fprintf(s.Out, "Data:     %s\n", state.DataDir)
	fmt.Fprintln(s.Out, "ready")
}
