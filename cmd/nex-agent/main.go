// Command nex-agent runs one workload inside of a sandbox, for the node that starts it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/nex-engine/nex/internal/agent"
	"github.com/nex-engine/nex/internal/lines"
)

func main() { os.Exit(run()) }

func run() int {
	// The agent's output goes to the node. Without somebody who takes this signal, an agent whose
	// node is gone would die of its first log line instead of keeping its workload.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// While the node is away nobody reads what the agent prints, and it must not wait for that.
	return agent.Command(ctx, os.Args[1:], os.Stdin, os.Stdout, lines.NewPrinter(os.Stderr))
}
