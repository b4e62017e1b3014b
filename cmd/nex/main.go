// Command nex is the command line of Nex, the NATS execution engine, and its node process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/nex-engine/nex/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends what the first could not, unless somebody takes it
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
