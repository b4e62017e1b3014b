package cli

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/embednats"
	"github.com/nex-engine/nex/internal/node"
	"github.com/nex-engine/nex/internal/upstate"
)

type upCommand struct {
	Host       string `help:"Address to listen on (default: 127.0.0.1)." placeholder:"ADDRESS"`
	Port       *int   `help:"Port to listen on, 0 for any free one (default: 4222)." placeholder:"PORT"`
	NATSConfig string `name:"nats-config" help:"Configuration file of the NATS server, as nats-server reads it." placeholder:"FILE" type:"path"`
	Account    string `name:"workload-account" help:"Account of that configuration in which the node looks for artifacts, besides the control account." placeholder:"NAME"`
	nodeFlags
	JSON bool `name:"json" help:"Print one JSON object when ready."`
}

// Run starts NATS and a node and serves until it is interrupted.
func (c *upCommand) Run(ctx context.Context, s *session) error {
	if c.Port != nil && (*c.Port < 0 || *c.Port > math.MaxUint16) {
		return usagef("--port %d is no port: give one from 1 to 65535, or 0 for a free one", *c.Port)
	}
	settings, err := c.settings(c.Config)
	if err != nil {
		return err
	}
	dir, err := s.openDataDir()
	if err != nil {
		return err
	}
	defer dir.Close()
	up := &up{command: c, session: s, dir: dir.Path()}
	if err := up.startNATS(ctx); err != nil {
		return err
	}
	defer up.close()
	hurry, release := secondSignal()
	defer release()
	return node.Run(ctx, node.Config{
		Hurry:    hurry,
		Settings: settings, DataDir: dir.Path(), Logger: s.logger(),
		Control: up.control, Workload: up.workload, WorkloadURL: up.server.ClientURL(),
		Ready: func(f node.Facts) { up.ready(f) },
	})
}

// up is a running nex up.
type up struct {
	command *upCommand
	session *session
	dir     string

	key      *embednats.Key
	server   *embednats.Server
	control  *nats.Conn
	workload *nats.Conn // nil if the server's configuration does not say where workloads belong
}

func (u *up) startNATS(ctx context.Context) (err error) {
	if u.key, err = embednats.OpenKey(u.dir); err != nil {
		return err
	}
	u.server, err = embednats.New(embednats.Config{
		Host: u.command.Host, Port: u.command.Port, StoreDir: filepath.Join(u.dir, "jetstream"),
		ConfigFile: u.command.NATSConfig, WorkloadAccount: u.command.Account, Control: u.key, Logger: u.session.logger(),
	})
	if err != nil {
		return err
	}
	if err := u.server.Start(ctx); err != nil {
		return err
	}
	if err := u.connect(ctx); err != nil {
		u.close()
		return err
	}
	return nil
}

// connect makes the node's own connections, inside this process. In operator mode there is no
// control user, and the user's own credentials make the control connection.
func (u *up) connect(ctx context.Context) error {
	options, err := u.server.ControlOptions()
	switch {
	case err == nil:
		u.control, err = nats.Connect("", append(options, nats.Name("nex up control"))...)
	case u.session.Creds != "":
		settings := u.session.Settings
		settings.Server = u.server.ClientURL()
		u.control, err = settings.Connect(ctx, append(settings.LongLived(u.session.logger()), nats.Name("nex up control"))...)
	}
	if err != nil {
		return err
	}
	options, err = u.server.WorkloadOptions()
	if err != nil {
		return nil //nolint:nilerr // without it artifacts are looked for behind the control connection only
	}
	u.workload, err = nats.Connect("", append(options, nats.Name("nex up workloads"))...)
	return err
}

func (u *up) close() {
	for _, nc := range []*nats.Conn{u.control, u.workload} {
		if nc != nil {
			nc.Close()
		}
	}
	u.server.Shutdown()
}

// ready tells other commands, and the user, where everything is.
func (u *up) ready(f node.Facts) {
	state := upstate.State{
		NATSURL: u.server.ClientURL(), ControlURL: u.server.ClientURL(), NodeID: f.NodeID,
		Sandbox: string(f.Sandbox), DataDir: u.dir, PID: os.Getpid(),
	}
	if u.server.ControlAccount() {
		state.ControlNKey = u.key.Path()
	}
	if err := upstate.Write(u.dir, state); err != nil {
		u.session.say("nex: other commands will not find this nex up by themselves: %v", err)
	}
	u.session.printReady(state, u.command.JSON)
}

// printReady prints the ready line; errors of standard output have nobody left to be told to.
func (s *session) printReady(state upstate.State, asJSON bool) {
	if asJSON {
		_ = render.JSONLine(s.Out, state)
		return
	}
	credentials := "with --nkey " + state.ControlNKey
	if state.ControlNKey == "" {
		credentials = "with your own credentials"
	}
	fmt.Fprintf(s.Out, "NATS for workloads and clients:  %s\n", state.NATSURL)
	fmt.Fprintf(s.Out, "NATS for control:                %s %s\n", state.ControlURL, credentials)
	fmt.Fprintf(s.Out, "Node:                            %s\n", state.NodeID)
	fmt.Fprintf(s.Out, "Sandbox:                         %s\n", state.Sandbox)
	fmt.Fprintf(s.Out, "Data:                            %s\n", state.DataDir)
	fmt.Fprintln(s.Out, "ready")
}

// dataDir is the folder that nodes keep their state in.
func (s *session) dataDir() (string, error) {
	if s.DataDir != "" {
		return s.DataDir, nil
	}
	return datadir.Default()
}

// openDataDir locks the data directory.
func (s *session) openDataDir() (*datadir.Dir, error) {
	path, err := s.dataDir()
	if err != nil {
		return nil, err
	}
	return datadir.Open(path)
}

// localUp is the nex up that runs on this machine with the data directory, or nil.
func (s *session) localUp() *upstate.State {
	path, err := s.dataDir()
	if err != nil {
		return nil
	}
	state, live := upstate.Live(path)
	if !live {
		return nil
	}
	return state
}
