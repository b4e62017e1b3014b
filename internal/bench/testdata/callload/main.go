// Command callload is the two ends of request and reply: a plain responder, and a requester that
// compares subjects with each other. Both are processes of their own, so that what is measured shares
// no Go runtime with what it is compared to.
//
//	callload -url URL respond SUBJECT
//	callload -url URL [-clients N] [-size BYTES] [-rounds N] [-calls N | -turn TIME] request SUBJECT...
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "callload:", err)
		os.Exit(1)
	}
}

func run() error {
	var l load
	url := flag.String("url", os.Getenv("NATS_URL"), "NATS server")
	flag.IntVar(&l.clients, "clients", 1, "requests under way at one time, each on a connection of its own")
	flag.IntVar(&l.size, "size", 16, "bytes of a payload")
	flag.IntVar(&l.rounds, "rounds", 1, "turns of each subject")
	flag.Int64Var(&l.calls, "calls", 1<<62, "calls of a turn")
	flag.DurationVar(&l.turn, "turn", time.Hour, "time of a turn")
	flag.BoolVar(&l.warm, "warm", true, "ask on each subject for a while before it counts")
	flag.Parse()
	switch {
	case flag.Arg(0) == "respond" && flag.NArg() == 2:
		return respond(*url, flag.Arg(1))
	case flag.Arg(0) == "request" && flag.NArg() > 1:
		turns, err := l.compare(*url, flag.Args()[1:])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(turns)
	}
	return errors.New("say respond and a subject, or request and subjects")
}

// respond answers each request with its payload until it is told to end. Its first line is printed
// when the server knows that it does.
func respond(url, subject string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	fmt.Println("{}")
	<-ended
	return nil
}
