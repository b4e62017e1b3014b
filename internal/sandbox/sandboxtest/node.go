package sandboxtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
)

// ordersVariable makes the test binary a node that follows orders: a JSON document.
const ordersVariable = "NEX_SANDBOXTEST_ORDERS"

// orders are what a node does: it starts sandboxes and adopts others, hands on what their agents print, and waits
// to be killed.
type orders struct {
	Dir, Agent string // of the driver
	Start      []order
	Adopt      []string
}

// order is one sandbox to start.
type order struct {
	ID, LinkDir string
	Plan        plan.Plan
	Settings    sandbox.Settings
	Stage       string // a file that is staged for ForArtifact; empty for none
}

// ready is what the node prints when it has done it all. Other lines are an id, a space, and what its agent
// printed.
const ready = "* ready"

// follow is that node.
func follow(s Suite) int {
	if err := carryOut(s, []byte(os.Getenv(ordersVariable))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, ready)
	select {}
}

func carryOut(s Suite, document []byte) error {
	var o orders
	if err := json.Unmarshal(document, &o); err != nil {
		return err
	}
	d, err := s.New(o.Dir, o.Agent)
	if err != nil {
		return err
	}
	var printing sync.Mutex
	log := func(id string) func(string) {
		return func(line string) {
			printing.Lock()
			defer printing.Unlock()
			fmt.Fprintln(os.Stdout, id, line)
		}
	}
	for _, one := range o.Start {
		i, err := d.Start(context.Background(), sandbox.Spec{
			ID: one.ID, Bootstrap: one.Plan.Encode(), LinkDir: one.LinkDir, Settings: one.Settings, Log: log(one.ID),
		})
		if err == nil && one.Stage != "" {
			_, err = i.Stage(context.Background(), sandbox.ForArtifact, one.Stage)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range o.Adopt {
		if _, err := d.(sandbox.Adopter).Adopt(context.Background(), id, log(id)); err != nil {
			return err
		}
	}
	return nil
}

// node is such a node process.
type node struct {
	kill func() // by force; returns when nothing of it is left; may be called again

	mu   sync.Mutex
	logs map[string]*recorder // by id
}

// startNode starts a node that has followed its orders when startNode returns.
func (r *rig) startNode(o orders) *node {
	r.Helper()
	o.Dir, o.Agent = r.dir, r.agent
	document, err := json.Marshal(o)
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ordersVariable+"="+string(document))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	n := &node{logs: map[string]*recorder{}}
	isReady, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			if s.Text() == ready {
				close(isReady)
				continue
			}
			id, line, _ := strings.Cut(s.Text(), " ")
			n.log(id).add(line)
		}
	}()
	n.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-ended
		_ = cmd.Wait() // it says that it was killed
	})
	r.Cleanup(n.kill)
	select {
	case <-isReady:
	case <-ended:
		n.kill()
		r.Fatalf("the earlier node has ended: %s", complaints.Bytes())
	case <-r.ctx().Done():
		r.Fatal("the earlier node does not follow its orders")
	}
	return n
}

// log is what the agent has printed while the node was there.
func (n *node) log(id string) *recorder {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.logs[id] == nil {
		n.logs[id] = newRecorder()
	}
	return n.logs[id]
}
