// Command idle makes connections to a NATS server that do nothing but answer its pings. It prints an empty JSON
// object when they are there, and ends when it is told to: with status 1 if the server has closed one of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/nex-engine/nex/internal/nextest"
)

func main() {
	address := flag.String("address", "127.0.0.1:4222", "`address` of the server")
	connections := flag.Int("connections", 1, "how `many` there are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *connections); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, connections int) error {
	idle, err := nextest.ConnectIdle(connections, func() (net.Conn, error) { return net.Dial("tcp", address) })
	if err != nil {
		return err
	}
	defer idle.Close()
	fmt.Println("{}")
	<-ctx.Done()
	if alive := idle.Alive(); alive != connections {
		return fmt.Errorf("the server has closed %d of %d connections", connections-alive, connections)
	}
	return nil
}
