package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/runas"
)

// UserVariable is the environment variable with the numbers of the user and group as whom programs run,
// such as "1000:1000". Without it they run as the agent does.
const UserVariable = "NEX_AGENT_USER"

// Command is the nex-agent program: args are its arguments without its name. It returns the exit
// status: 0 when the workload ended, however it did, 1 when the agent failed, and 2 when it was
// called the wrong way. It has the properties of [Run].
func Command(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		fmt.Fprintln(stdout, nex.Version)
		return 0
	case len(args) > 0:
		fmt.Fprintf(stderr, "nex-agent: unknown argument %q: it takes none but --version\n", args[0])
		return 2
	case term.IsTerminal(int(stdin.Fd())):
		fmt.Fprintln(stderr, "nex-agent runs a workload inside of its sandbox and is started by the node: use nex up, or nex node up.")
		return 2
	}
	user, err := userOf(os.Getenv(UserVariable))
	if err != nil {
		fmt.Fprintf(stderr, "nex-agent: variable %s: %v\n", UserVariable, err)
		return 2
	}
	// The node logs what its workloads do; from here it needs only what went wrong.
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := Run(ctx, Config{Bootstrap: stdin, Logger: log, TempDir: os.Getenv("TMPDIR"), User: user}); err != nil {
		log.Error("agent failed", attrError, err)
		return 1
	}
	return 0
}

// userOf is the user that the variable names, or nil if it is empty.
func userOf(variable string) (*runas.User, error) {
	if variable == "" {
		return nil, nil
	}
	u, err := runas.Parse(variable)
	return &u, err
}
