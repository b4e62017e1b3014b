package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	nex "github.com/nex-engine/nex"
)

// sight is what there is to see at one moment.
type sight struct {
	known     map[string]nex.MachineInfo // what nodes say of workloads, by id
	on        map[string]*node           // the node that does
	answering map[string][]string        // the instances that answer, by name of the service or function
	marks     map[string]int             // processes on the machine by their mark; those in sandboxes cannot be seen
}

// look asks everybody, the nodes last: of what has just happened to a process they have heard by then.
func (w *world) look(ctx context.Context) (s sight, err error) {
	if s.answering, err = w.instances(); err != nil {
		return s, err
	}
	if s.marks, err = marks(); err != nil {
		return s, err
	}
	s.known, s.on = map[string]nex.MachineInfo{}, map[string]*node{}
	for _, n := range w.nodes {
		info, err := w.client.Info(ctx, n.id)
		if err != nil {
			return s, fmt.Errorf("node %s: %w", n.name, err)
		}
		for _, m := range info.Machines {
			s.known[m.ID], s.on[m.ID] = m, n
		}
	}
	return s, nil
}

// Who is there answers soon; who has not by then is looked for again.
const (
	firstInstance = 500 * time.Millisecond
	nextInstance  = 60 * time.Millisecond
)

// instances asks services and functions, which are services to NATS, who they are.
func (w *world) instances() (map[string][]string, error) {
	found := map[string][]string{}
	inbox := nats.NewInbox()
	sub, err := w.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails when the connection is lost, and then it is gone
	if err := w.nc.PublishRequest("$SRV.PING", inbox, nil); err != nil {
		return nil, err
	}
	for patience := firstInstance; ; patience = nextInstance {
		m, err := sub.NextMsg(patience)
		if err != nil {
			return found, nil
		}
		var p micro.Ping
		if json.Unmarshal(m.Data, &p) == nil && p.Name != "" {
			found[p.Name] = append(found[p.Name], p.ID)
		}
	}
}

// marks counts the processes of services by their last argument.
func marks() (map[string]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(line, []byte("-servers\x00"+serverURLs())) {
			continue // it has ended, or is another
		}
		args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		if mark, ours := strings.CutSuffix(args[len(args)-1], ofThisRun); ours {
			found[mark]++
		}
	}
	return found, nil
}
