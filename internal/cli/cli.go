// Package cli is the nex command line: one file per command, which reads flags, calls the client or
// the node, and hands what comes back to package render.
//
// Data goes to standard output, everything said about it to standard error. Exit codes: 0 done, 1
// failed, 2 wrong usage.
package cli

import (
	"context"
	"io"
	"os"

	"github.com/alecthomas/kong"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natsconn"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Globals are the flags of every command.
type Globals struct {
	Namespace string           `help:"Namespace of the workloads." default:"default" env:"NEX_NAMESPACE" placeholder:"NAME" group:"nex"`
	DataDir   string           `help:"Folder where nodes keep their state, and where other commands find a running nex up." env:"NEX_DATA_DIR" placeholder:"DIR" group:"nex"`
	LogLevel  string           `name:"loglevel" help:"Least level that a node logs: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"NEX_LOGLEVEL" placeholder:"LEVEL" group:"nex"`
	LogJSON   bool             `name:"logjson" help:"Make a node log JSON." env:"NEX_LOGJSON" group:"nex"`
	Version   kong.VersionFlag `help:"Print the version." group:"nex"`

	natsconn.Settings `embed:""`
}

// commands is the command table.
type commands struct {
	Globals

	Up         upCommand         `cmd:"" help:"Start a NATS server with JetStream and a node in one process."`
	Node       nodeCommands      `cmd:"" help:"Run a node and look at nodes."`
	Run        runCommand        `cmd:"" help:"Deploy an artifact from a URL to a node."`
	Devrun     devrunCommand     `cmd:"" help:"Upload a file, or name an image, and deploy it to a node that takes it."`
	Stop       stopCommand       `cmd:"" help:"Stop a workload."`
	Logs       logsCommand       `cmd:"" help:"Print and follow the logs of workloads."`
	Events     eventsCommand     `cmd:"" help:"Print events as they happen."`
	Lameduck   lameduckCommand   `cmd:"" help:"Make a node take no new workloads, and end it."`
	Rootfs     rootfsCommand     `cmd:"" help:"Build the root file system of virtual machines."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
	Completion completionCommand `cmd:"" help:"Print the code that makes a shell complete nex commands."`
}

type nodeCommands struct {
	Up        nodeUpCommand    `cmd:"" help:"Start a node on existing NATS servers."`
	Ls        nodeLsCommand    `cmd:"" help:"List the nodes."`
	Info      nodeInfoCommand  `cmd:"" help:"Show a node and its workloads."`
	Probe     nodeProbeCommand `cmd:"" help:"Ask which nodes would take a workload, and why others would not."`
	State     stateCommands    `cmd:"" help:"Look at what a node knows after a restart, and mend it."`
	Preflight preflightCommand `cmd:"" help:"Check what a node needs on this machine."`
}

// Main runs the command line and returns the exit code. A command that runs until it is interrupted
// ends, without failure, when ctx does. With COMP_LINE in the environment it prints what a shell
// wants to know instead.
func Main(ctx context.Context, args []string, streams Streams) int {
	var table commands
	answered := false
	parser, err := newParser(&table, streams, func(int) { answered = true })
	if err != nil {
		return report(streams.Err, err)
	}
	if os.Getenv(completeLine) != "" {
		return report(streams.Err, complete(streams.Out, parser.Model.Node))
	}
	parsed, err := parser.Parse(asksForHelp(args))
	if answered { // help or version was asked for and printed
		return exitDone
	}
	if err != nil {
		return report(streams.Err, wrongUsage(err))
	}
	s := &session{Globals: &table.Globals, Streams: streams}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(streams.Err, inCommand(parsed.Run(s), parsed.Selected()))
}

// Keys of the groups that flags are shown in.
const (
	groupGlobal = "nex"
	groupNATS   = "NATS connection"
)

// newParser makes the parser of the command table. It calls exit when it has printed what was asked
// for, and goes on.
func newParser(table *commands, streams Streams, exit func(int)) (*kong.Kong, error) {
	global := kong.Group{Key: groupGlobal, Title: "Global flags:"}
	parser, err := kong.New(table,
		kong.Name("nex"),
		kong.Description("Nex, the NATS execution engine: deploy and run services and functions on NATS infrastructure."),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(exit),
		kong.Vars{"version": nex.Version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ValueFormatter(flagHelp),
		kong.Help(printHelp),
		kong.ExplicitGroups([]kong.Group{global, {Key: groupNATS, Title: "NATS connection flags:"}}),
	)
	if err != nil {
		return nil, err
	}
	parser.Model.HelpFlag.Help = "Print help."
	parser.Model.HelpFlag.Group = &global
	return parser, nil
}
