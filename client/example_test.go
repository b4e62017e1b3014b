package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// Look which nodes there are.
func ExampleClient_Discover() {
	nc, stop := network() // nats.Connect, in your program
	defer stop()

	c := client.New(nc, client.Config{})
	nodes, err := c.Discover(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range nodes {
		fmt.Println(n.Nexus, n.Tags[nex.TagOS], n.RunningMachines)
	}
	// Output:
	// example linux 1
}

// Upload a program, start it where it can run, and stop it again.
func Example() {
	nc, stop := network() // nats.Connect, in your program
	defer stop()
	issuer, err := nkeys.CreateAccount() // keep it: it alone can stop what it has started
	if err != nil {
		log.Fatal(err)
	}
	sender, err := nkeys.CreateCurveKeys()
	if err != nil {
		log.Fatal(err)
	}
	program := bytes.NewReader([]byte("\x7fELF…")) // os.Open, in your program

	ctx := context.Background()
	c := client.New(nc, client.Config{Namespace: "shop"})
	location, digest, err := c.Upload(ctx, client.Upload{Bucket: "PROGRAMS", Key: "cart", Content: program})
	if err != nil {
		log.Fatal(err)
	}
	bids, err := c.Auction(ctx, nex.AuctionRequest{OS: "linux", WorkloadTypes: []nex.WorkloadType{nex.TypeNative}})
	if err != nil || len(bids) == 0 {
		log.Fatal("no node takes it: ", err)
	}
	node := bids[0]
	run, err := c.Deploy(ctx, client.Deployment{
		Node: node.NodeID, Xkey: node.TargetXkey, Issuer: issuer, Sender: sender,
		Name: "cart", Type: nex.TypeNative, Location: location, Digest: digest,
		Environment: map[string]string{"CURRENCY": "EUR"}, Essential: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Name, "is", run.State)

	_, err = c.Stop(ctx, client.Stopping{Node: node.NodeID, ID: run.ID, Name: "cart", Issuer: issuer})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("cart is gone")
	// Output:
	// cart is running
	// cart is gone
}

// Tell failures apart by their codes, which nodes send along.
func ExampleClient_Info() {
	nc, stop := network()
	defer stop()

	c := client.New(nc, client.Config{})
	const gone = "NAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	_, err := c.Info(context.Background(), gone)
	fmt.Println(errors.Is(err, nex.ErrNodeNotFound), nex.CodeOf(err))
	// Output:
	// true node_not_found
}

// Watch what becomes of a workload.
func ExampleClient_WatchEvents() {
	nc, stop := network()
	defer stop()

	c := client.New(nc, client.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ready := func() { crash(nc) } // now is the time to deploy it
	filter := client.EventFilter{Namespace: "shop", Type: nex.EventWorkloadState, Workload: "cart"}
	err := c.WatchEvents(ctx, filter, ready, func(e nex.Event) {
		change, err := e.StateChange()
		if err != nil {
			return
		}
		fmt.Printf("%s: %s\n", change.To, change.Reason)
		if change.To.Ended() {
			cancel()
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// running: the program runs
	// failed: the program ended with status 3
}

// Print what workloads say, from warnings on.
func ExampleClient_FollowLogs() {
	nc, err := nats.Connect(nats.DefaultURL)
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()

	c := client.New(nc, client.Config{})
	filter := client.LogFilter{Namespace: "shop", MinLevel: slog.LevelWarn}
	err = c.FollowLogs(context.Background(), filter, nil, func(from nex.LogSource, line nex.LogRecord) {
		fmt.Println(from.Workload, line.Text)
	})
	if err != nil {
		log.Fatal(err)
	}
}

// network is a NATS server within this process, with a scripted node, and a connection to it.
func network() (nc *nats.Conn, stop func()) {
	dir, err := os.MkdirTemp("", "nex-example-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		log.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		log.Fatal("NATS server is not ready")
	}
	nc, err = nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		log.Fatal(err)
	}
	serveNode(nc)
	return nc, func() {
		nc.Close()
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}

// crash publishes the events of a workload that runs and then fails.
func crash(nc *nats.Conn) {
	for _, change := range []nex.WorkloadStateChanged{
		{ID: "w1", Name: "cart", From: nex.StateStarting, To: nex.StateRunning, Reason: "the program runs"},
		{ID: "w1", Name: "cart", From: nex.StateRunning, To: nex.StateFailed, Reason: "the program ended with status 3"},
	} {
		e, err := nex.NewEvent(string(change.To), publicKey(nkeys.CreateServer), "shop", nex.EventWorkloadState, time.Now(), change)
		if err != nil {
			log.Fatal(err)
		}
		body, err := json.Marshal(e)
		if err != nil {
			log.Fatal(err)
		}
		if err := nc.Publish(nex.EventSubject("shop", nex.EventWorkloadState), body); err != nil {
			log.Fatal(err)
		}
	}
}

// serveNode answers as a node does on which everything works.
func serveNode(nc *nats.Conn) {
	id, xkey := publicKey(nkeys.CreateServer), publicKey(nkeys.CreateCurveKeys)
	ping := nex.PingResponse{
		NodeID: id, Nexus: "example", Version: nex.Version, Uptime: "8m47s", TargetXkey: xkey,
		Tags: map[string]string{nex.TagOS: "linux"}, RunningMachines: 1,
	}
	for subject, data := range map[string]any{
		"$NEX.PING":              ping,
		"$NEX.AUCTION":           nex.AuctionResponse{PingResponse: ping},
		"$NEX.DEPLOY.shop." + id: nex.RunResponse{Started: true, ID: "w1", Name: "cart", State: nex.StateRunning},
		"$NEX.STOP.shop." + id:   nex.StopResponse{Stopped: true, ID: "w1", Name: "cart"},
	} {
		r, err := nex.ParseRequest(subject)
		if err != nil {
			log.Fatal(err)
		}
		body, err := nex.EncodeReply(nex.ResponseType(r.Op), data)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(body) }); err != nil {
			log.Fatal(err)
		}
	}
}

func publicKey(create func() (nkeys.KeyPair, error)) string {
	pair, err := create()
	if err != nil {
		log.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		log.Fatal(err)
	}
	return public
}
