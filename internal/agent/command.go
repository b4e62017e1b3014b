package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	nex "github.com/nex-engine/nex"
)

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
	// The node logs what its workloads do; from here it needs only what went wrong.
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	err := Run(ctx, Config{Bootstrap: stdin, Logger: log, TempDir: os.Getenv("TMPDIR")})
	if err != nil {
		log.Error("agent failed", attrError, err)
		return 1
	}
	return 0
}
