package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natsconn/conntest"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/nextest"
)

// TestNodeIsNoLongerLetIn lets the credentials of a node expire while it runs: it says which they are and what to
// do, keeps trying, and is back once the file holds others. A node that is not let in to begin with ends.
func TestNodeIsNoLongerLetIn(t *testing.T) {
	t.Parallel()
	o := conntest.NewOperator(t)
	s := natstest.Run(t, func(opts *server.Options) {
		opts.JetStream = false
		config := fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload { %s: %s }", o.JWT, o.AccountID, o.AccountJWT)
		if err := opts.ProcessConfigString(config); err != nil {
			t.Fatal(err)
		}
	})
	const life = 8 * time.Second // in which the node starts, on a busy machine
	expires := time.Now().Add(life)
	creds, lasting := o.Creds(t, func(c *jwt.UserClaims) { c.Expires = expires.Unix() }), o.Creds(t)
	nodeUp := func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(binDir, "nex"), "node", "up", "--no-sandbox", "--json", "--no-context",
			"--server", s.ClientURL(), "--creds", creds, "--data-dir", t.TempDir())
		cmd.Env = append(nextest.Environ(), "HOME="+t.TempDir(), "PATH="+binDir+":"+os.Getenv("PATH"))
		return cmd
	}
	p, err := nextest.StartReady(nodeUp())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("the node ended: %v", err)
		}
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	want := "refuses the credentials in " + creds + ", which expired at " + expires.UTC().Format(time.RFC3339) + ": get new ones and change --creds"
	nextest.Await(t, "the node says that it is not let in any more", func() bool {
		return strings.Contains(p.Log(), want+"; trying again until then")
	})

	late, err := nextest.Start(nodeUp())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-late.Done():
	case <-time.After(nextest.Patience):
		late.Kill()
	}
	if err := late.Stop(); err == nil || !strings.Contains(late.Log(), want) {
		t.Errorf("a node with such credentials: %v\n%s", err, late.Log())
	}

	content, err := os.ReadFile(lasting)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(creds, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c := client.New(natstest.Connect(t, s, nats.UserCredentials(lasting)), client.Config{})
	nextest.Await(t, "the node answers again", func() bool {
		_, err := c.Ping(t.Context(), p.Ready.NodeID)
		return err == nil
	})
}
