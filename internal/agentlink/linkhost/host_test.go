package linkhost_test

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/nextest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

// admit admits an agent, who is cut off when the test ends.
func admit(t testing.TB, h *linkhost.Host, id string) (*linkhost.Link, agentlink.Bootstrap) {
	t.Helper()
	l, err := h.Admit(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	b, err := agentlink.Decode[agentlink.Bootstrap](l.Bootstrap("", true))
	if err != nil {
		t.Fatal(err)
	}
	return l, b
}

func TestStartListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"0.0.0.0", "::", "192.0.2.1", "localhost", "nonsense"} {
		t.Run(host, func(t *testing.T) {
			h, err := linkhost.Start(linkhost.Config{Host: host, Logger: discard})
			if err == nil {
				h.Close()
				t.Fatal("the server listens")
			}
			want := "internal NATS server: " + host + " is no loopback address; set internal_node_host to 127.0.0.1"
			if err.Error() != want {
				t.Errorf("error = %q, want %q", err, want)
			}
		})
	}
}

func TestStartListensWhereItIsTold(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "127.0.0.1", "::1"} {
		t.Run("host "+host, func(t *testing.T) {
			if l, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
				t.Skipf("this machine has no %s: %v", host, err)
			} else {
				l.Close()
			}
			h, err := linkhost.Start(linkhost.Config{Host: host, Logger: discard})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			want := "nats://127.0.0.1:"
			if host == "::1" {
				want = "nats://[::1]:"
			}
			if !strings.HasPrefix(h.URL(), want) {
				t.Errorf("URL = %s, want %s…", h.URL(), want)
			}
			_, b := admit(t, h, "A")
			c, err := agentlink.Dial(b)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

func TestStartOnPort(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := busy.Addr().(*net.TCPAddr).Port
	cfg := linkhost.Config{Port: port, Logger: discard}

	h, err := linkhost.Start(cfg)
	if err == nil {
		h.Close()
		t.Fatal("the server listens on a port that is in use")
	}
	want := "internal NATS server: port " + strconv.Itoa(port) + " is not free; set internal_node_port to another, or to 0: "
	if got := err.Error(); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
		t.Errorf("error = %q, want %q…", got, want)
	}

	busy.Close()
	if h, err = linkhost.Start(cfg); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if want := "nats://127.0.0.1:" + strconv.Itoa(port); h.URL() != want {
		t.Errorf("URL = %s, want %s", h.URL(), want)
	}
}

func TestAccountsAreUsedAgain(t *testing.T) {
	t.Parallel()
	h := linktest.StartHost(t)
	cycle := func(n int) {
		t.Helper()
		var links []*linkhost.Link
		for i := range n {
			l, err := h.Admit("A" + strconv.Itoa(i))
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, l)
		}
		for _, l := range links {
			l.Close()
		}
	}
	cycle(3)
	before := h.Server().NumLoadedAccounts()
	for range 1000 {
		cycle(1)
	}
	cycle(3)
	if got := h.Server().NumLoadedAccounts(); got != before {
		t.Errorf("the server has %d accounts, want %d as before", got, before)
	}
	nextest.Await(t, "no connection is left", func() bool { return h.Server().NumClients() == 0 })
}

func TestCloseEndsEveryLink(t *testing.T) {
	t.Parallel()
	h, err := linkhost.Start(linkhost.Config{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	link, b := admit(t, h, "A")
	h.Close()
	if err := link.Ping(t.Context()); err == nil {
		t.Error("the agent of a closed host answers")
	}
	if c, err := agentlink.Dial(b); err == nil {
		c.Close()
		t.Error("an agent connected to a closed host")
	}
	if l, err := h.Admit("B"); err == nil {
		l.Close()
		t.Error("a closed host admitted an agent")
	}
}
