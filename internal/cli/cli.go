// Package cli is the nex command line: one file per command, which reads flags, calls the client or
// the node, and hands what comes back to package render.
//
// Data goes to standard output, everything said about it to standard error. Exit codes: 0 done, 1
// failed, 2 wrong usage.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"

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
	natsconn.Settings `embed:""`

	Namespace string           `help:"Namespace of the workloads." default:"default" env:"NEX_NAMESPACE" placeholder:"NAME" group:"nex"`
	DataDir   string           `help:"Folder in which nodes keep their state, and where the local nex up is found." env:"NEX_DATA_DIR" placeholder:"DIR" group:"nex"`
	LogLevel  string           `name:"loglevel" help:"Least level to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"NEX_LOGLEVEL" placeholder:"LEVEL" group:"nex"`
	LogJSON   bool             `name:"logjson" help:"Log as JSON." env:"NEX_LOGJSON" group:"nex"`
	Version   kong.VersionFlag `help:"Print the version." group:"nex"`
}

// commands is the command table.
type commands struct {
	Globals

	Up         upCommand         `cmd:"" help:"Start NATS with JetStream and a node in one process."`
	Node       nodeCommands      `cmd:"" help:"Run a node, look at nodes."`
	Run        runCommand        `cmd:"" help:"Deploy a workload whose artifact lies somewhere already, to a node."`
	Devrun     devrunCommand     `cmd:"" help:"Upload a file and deploy it to a node of the command's choice."`
	Stop       stopCommand       `cmd:"" help:"Stop a workload."`
	Logs       logsCommand       `cmd:"" help:"Print the logs of workloads and follow them."`
	Events     eventsCommand     `cmd:"" help:"Print events as they happen."`
	Lameduck   lameduckCommand   `cmd:"" help:"Make a node refuse new workloads."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
	Completion completionCommand `cmd:"" help:"Print the shell code for completion."`
}

type nodeCommands struct {
	Up        nodeUpCommand    `cmd:"" help:"Start a node on an existing NATS system."`
	Ls        nodeLsCommand    `cmd:"" help:"List the nodes."`
	Info      nodeInfoCommand  `cmd:"" help:"Show a node and its workloads."`
	Probe     nodeProbeCommand `cmd:"" help:"Ask which nodes would take a workload, and why others would not."`
	Preflight preflightCommand `cmd:"" help:"Check what a node needs on this machine."`
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command line and returns the exit code. A command that runs until it is interrupted
// ends, without failure, when ctx does.
func Main(ctx context.Context, args []string, streams Streams) int {
	var table commands
	exited := -1
	parser, err := newParser(&table, streams, func(code int) { exited = code })
	if err != nil {
		return report(streams.Err, err)
	}
	kongplete.Complete(parser, kongplete.WithExitFunc(func(code int) { exited = code }))
	if exited >= 0 {
		return exited
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // help or version was asked for and printed
		return exited
	}
	if err != nil {
		return report(streams.Err, usage(err))
	}
	s := &session{Globals: &table.Globals, Streams: streams}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return report(streams.Err, parsed.Run(s))
}

func newParser(table *commands, streams Streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(table,
		kong.Name("nex"),
		kong.Description("Nex, the NATS execution engine: deploy and run services and functions on NATS infrastructure."),
		kong.Writers(streams.Out, streams.Err),
		kong.Exit(exit),
		kong.Vars{"version": nex.Version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "nex", Title: "Nex:"},
			{Key: "NATS connection", Title: "NATS connection:"},
		}),
	)
}

// usageError is a failure to use the command line.
type usageError struct {
	err     error
	command string // whose help to read
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error {
	u := &usageError{err: err, command: "nex"}
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		u.command = "nex " + parse.Context.Selected().Path()
	}
	return u
}

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), command: "nex"}
}

// report is the one place that tells people of a failure. It returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(w, "nex: error: %v\n", err)
	var wrong *usageError
	if errors.As(err, &wrong) {
		fmt.Fprintf(w, "nex: hint: %s --help\n", wrong.command)
		return exitUsage
	}
	return exitFailed
}
