// Command faultservice is a service that says when it does something: it answers each call on its subject with
// the call's number, and publishes the number for those who count how often a call was executed. Each process
// is an instance with an id of its own in the answers to $SRV.PING.
//
//	faultservice -servers URL,URL -name NAME [-crash DELAY] [MARK]
//
// It ends with the status that a message on <NAME>.exit asks for, and with -crash by itself, with status 1.
// Tests find its processes by MARK.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

func main() {
	servers := flag.String("servers", "", "NATS servers, with commas between")
	name := flag.String("name", "", "name and subject of the service")
	crash := flag.Duration("crash", 0, "after how long to crash; 0 is never")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *crash > 0 {
		time.AfterFunc(*crash, func() { os.Exit(1) })
	}
	if err := serve(ctx, *servers, *name); err != nil {
		fmt.Fprintln(os.Stderr, "faultservice:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, servers, name string) error {
	nc, err := nats.Connect(servers, nats.Name(name), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond), nats.PingInterval(2*time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = micro.AddService(nc, micro.Config{
		Name: name, Version: "1.0.0",
		Endpoint: &micro.EndpointConfig{Subject: name, Handler: micro.HandlerFunc(func(r micro.Request) {
			_ = nc.Publish("ledger", r.Data()) // without a server there is no way to the caller either
			_ = r.Respond(r.Data())
		})},
	})
	if err != nil {
		return err
	}
	_, err = nc.Subscribe(name+".exit", func(m *nats.Msg) {
		status, err := strconv.Atoi(string(m.Data))
		if err != nil {
			return
		}
		_ = m.Respond(nil)
		_ = nc.Flush() // the answer gets out if it can
		os.Exit(status)
	})
	if err != nil {
		return err
	}
	fmt.Println("serving", name)
	<-ctx.Done()
	return nil
}
