package embednats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/nex-engine/nex/internal/embednats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const within = 10 * time.Second

// config returns a configuration with directories of the test's own, on a free port. With a
// non-empty file, that is the configuration file and decides about the port.
func config(t *testing.T, file string) embednats.Config {
	t.Helper()
	key, err := embednats.OpenKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := embednats.Config{StoreDir: t.TempDir(), Control: key, Port: new(int)}
	if file != "" {
		c.Port = nil
		c.ConfigFile = filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(c.ConfigFile, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// start runs a server until the end of the test.
func start(t *testing.T, c embednats.Config) *embednats.Server {
	t.Helper()
	s, err := embednats.New(c)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	t.Cleanup(s.Shutdown)
	ctx, cancel := context.WithTimeout(t.Context(), 2*within)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatalf("start: %v", err)
	}
	return s
}

// connect connects over the network, until the end of the test.
func connect(t *testing.T, s *embednats.Server, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append([]nats.Option{quiet()}, opts...)...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func quiet() nats.Option { return nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) }

func refused(t *testing.T, s *embednats.Server, opts ...nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append(opts, quiet())...)
	if err == nil {
		nc.Close()
		t.Error("connected, want a refusal")
		return
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("error = %v, want %v", err, nats.ErrAuthorization)
	}
}

// inProcess makes an in-process connection with the options that the server has for it.
func inProcess(t *testing.T, options func() ([]nats.Option, error)) *nats.Conn {
	t.Helper()
	opts, err := options()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("", append(opts, quiet())...)
	if err != nil {
		t.Fatalf("connect in process: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// reaches reports whether what from publishes on a subject arrives at a subscription of to. Two
// messages on another way, in order behind it, end the wait.
func reaches(t *testing.T, from, to *nats.Conn, subject string) bool {
	t.Helper()
	sub, err := to.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
	}()
	for _, step := range []func() error{
		to.Flush,
		func() error { return from.Publish(subject, []byte("x")) },
		from.Flush, // the server has routed it
		to.Flush,   // and to has read it
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	n, _, err := sub.Pending()
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// separated checks that control subjects are between control connections alone.
func separated(t *testing.T, s *embednats.Server, clients ...*nats.Conn) {
	t.Helper()
	control := inProcess(t, s.ControlOptions)
	const subject = "$NEX.PING"
	for i, client := range clients {
		if reaches(t, client, control, subject) {
			t.Errorf("client %d reaches the control account", i)
		}
		if reaches(t, control, client, subject) {
			t.Errorf("client %d sees the control account", i)
		}
	}
}

func storesInJetStream(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Errorf("create bucket: %v", err)
		return
	}
	if _, err := kv.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Errorf("put: %v", err)
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	c := config(t, "")
	s := start(t, c)
	anonymous := connect(t, s)
	cli := connect(t, s, c.Control.Option())
	control, workload := inProcess(t, s.ControlOptions), inProcess(t, s.WorkloadOptions)

	separated(t, s, anonymous, workload)
	if !reaches(t, cli, control, "$NEX.PING") || !reaches(t, control, cli, "$NEX.PING") {
		t.Error("connections in the control account do not reach each other")
	}
	if !reaches(t, anonymous, workload, "svc.echo") || !reaches(t, workload, anonymous, "svc.echo") {
		t.Error("clients and the workload account do not reach each other")
	}
	storesInJetStream(t, anonymous)
	storesInJetStream(t, control)
	if js, err := jetstream.New(workload); err != nil {
		t.Error(err)
	} else if _, err := js.KeyValue(t.Context(), "b"); err != nil {
		t.Errorf("the workload account does not see a client's bucket: %v", err)
	}
	if !s.ControlAccount() || !s.HasJetStream() {
		t.Errorf("control account %v, JetStream %v, want both", s.ControlAccount(), s.HasJetStream())
	}
	if !strings.HasPrefix(s.ClientURL(), "nats://127.0.0.1:") {
		t.Errorf("URL = %s, want one of 127.0.0.1", s.ClientURL())
	}
}

func TestDefaultLetsEverybodyElseIn(t *testing.T) {
	t.Parallel()
	c := config(t, "")
	s := start(t, c)
	other, err := embednats.OpenKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	refused(t, s, other.Option())
	refused(t, s, nats.Nkey(c.Control.Public(), func([]byte) ([]byte, error) { return []byte("forged"), nil }))
	refused(t, s, nats.Nkey(c.Control.Public(), func([]byte) ([]byte, error) { return nil, nil }))

	// As a server without authorization does: settings meant for another server are no obstacle.
	user, token := connect(t, s, nats.UserInfo("u", "p")), connect(t, s, nats.Token("t"))
	separated(t, s, user, token)
	if !reaches(t, user, token, "a") {
		t.Error("clients with credentials are not in the workload account")
	}
}

func TestDefaultHostsAndPorts(t *testing.T) {
	t.Parallel()
	t.Run("busy port", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := config(t, "")
		*c.Port = l.Addr().(*net.TCPAddr).Port
		began := time.Now()
		err = startFails(t, c)
		want := fmt.Sprintf("the NATS server cannot listen on %s (address already in use): stop what uses it, or choose another with --port", l.Addr())
		if err.Error() != want {
			t.Errorf("error = %q, want %q", err, want)
		}
		if took := time.Since(began); took > within {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		c := config(t, "")
		c.Host = "::1"
		if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
			t.Skipf("no IPv6 here: %v", err)
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		s := start(t, c)
		connect(t, s)
		if !strings.HasPrefix(s.ClientURL(), "nats://[::1]:") {
			t.Errorf("URL = %s, want one of ::1", s.ClientURL())
		}
	})
	t.Run("no such host", func(t *testing.T) {
		t.Parallel()
		c := config(t, "")
		c.Host = "203.0.113.1" // an address that no machine has
		if err := startFails(t, c); !strings.Contains(err.Error(), "203.0.113.1") || !strings.HasSuffix(err.Error(), "give an address of this machine with --host") {
			t.Errorf("error = %q, want one with the address that names --host", err)
		}
	})
}

// startFails returns the error of Start.
func startFails(t *testing.T, c embednats.Config) error {
	t.Helper()
	s, err := embednats.New(c)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	defer s.Shutdown()
	err = s.Start(t.Context())
	if err == nil {
		t.Fatal("the server started")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %q", err)
	}
	return err
}

func TestStoreUnusable(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "port: -1, jetstream: enabled"} {
		c := config(t, file)
		c.StoreDir = filepath.Join(c.StoreDir, "file")
		if err := os.WriteFile(c.StoreDir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		err := startFails(t, c)
		want := "--data-dir"
		if file != "" {
			want = "store_dir in " + c.ConfigFile
		}
		if !strings.HasPrefix(err.Error(), "JetStream cannot use "+c.StoreDir) || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %q, want one that names the directory and %s", err, want)
		}
	}
}

func TestStartIsCanceled(t *testing.T) {
	t.Parallel()
	s, err := embednats.New(config(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a server whose start was canceled takes connections")
	}
	s.Shutdown() // again
}

func TestShutdownEndsConnections(t *testing.T) {
	t.Parallel()
	c := config(t, "")
	s := start(t, c)
	closed := make(chan struct{})
	nc := connect(t, s, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	s.Shutdown()
	select {
	case <-closed:
	case <-time.After(within):
		t.Error("the connection outlives the server")
	}
	if _, err := net.Dial("tcp", hostPort(t, nc.Opts.Servers[0])); err == nil {
		t.Error("the port is still open")
	}
	s.Shutdown()
}

func TestStreamsSurviveRestart(t *testing.T) {
	t.Parallel()
	c := config(t, "")
	s := start(t, c)
	storesInJetStream(t, connect(t, s))
	storesInJetStream(t, inProcess(t, s.ControlOptions))
	s.Shutdown()

	s = start(t, c)
	for name, nc := range map[string]*nats.Conn{"workload": connect(t, s), "control": inProcess(t, s.ControlOptions)} {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		kv, err := js.KeyValue(t.Context(), "b")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e, err := kv.Get(t.Context(), "k"); err != nil || string(e.Value()) != "v" {
			t.Errorf("%s: get = %v, %v", name, e, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	whole := config(t, "")
	port := func(p int) *int { return &p }
	tests := []struct {
		name string
		cfg  embednats.Config
		want string
	}{
		{"no key", embednats.Config{StoreDir: "d"}, "Control is missing"},
		{"no store", embednats.Config{Control: whole.Control}, "StoreDir is missing"},
		{"negative port", embednats.Config{Control: whole.Control, StoreDir: "d", Port: port(-1)}, "--port"},
		{"large port", embednats.Config{Control: whole.Control, StoreDir: "d", Port: port(70000)}, "--port"},
		{"no file", embednats.Config{Control: whole.Control, StoreDir: "d", ConfigFile: "/no/such.conf"}, "/no/such.conf"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := embednats.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNewHasNoEffects(t *testing.T) {
	t.Parallel()
	c := config(t, "port: -1, jetstream: enabled, pid_file: 'p', log_file: 'l'")
	if _, err := embednats.New(c); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(c.StoreDir)
	if err != nil || len(entries) > 0 {
		t.Errorf("store directory has %v, %v; want nothing", entries, err)
	}
}

func TestLogIsQuiet(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	c := config(t, "")
	c.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s := start(t, c)
	connect(t, s)
	refused(t, s, nats.Nkey(c.Control.Public(), func([]byte) ([]byte, error) { return nil, nil }))
	s.Shutdown()
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "authentication error") {
			t.Errorf("unexpected log line: %s", line)
		}
	}
}

func hostPort(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strconv.Atoi(u.Port()); err != nil {
		t.Fatalf("no port in %s", raw)
	}
	return u.Host
}
