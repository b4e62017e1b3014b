package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nex-engine/nex/internal/embednats"
	"github.com/nex-engine/nex/internal/nextest"
)

// serverFile is the variable that makes the program of the tests a NATS server; it names the configuration.
const serverFile = "NEX_FAULTS_SERVER"

// serveNATS is a NATS server until it is told to end.
func serveNATS(file string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := embednats.New(embednats.Config{ConfigFile: file, StoreDir: filepath.Dir(file), Logger: log})
	if err == nil {
		err = s.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Shutdown()
	_ = json.NewEncoder(os.Stdout).Encode(nextest.Ready{NATSURL: s.ClientURL(), PID: os.Getpid()}) // who started it waits for it
	<-ctx.Done()
	return 0
}

// server is a member of the NATS cluster.
type server struct {
	runs
	name string
	at   *place
	file string
}

// servers is how many there are: with one away the others go on.
const servers = 3

func clientPort(number int) int  { return 4222 + number }
func clusterPort(number int) int { return 6222 + number }

// serverURLs are where clients find them.
func serverURLs() string {
	var urls []string
	for i := range servers {
		urls = append(urls, fmt.Sprintf("nats://%s:%d", hub, clientPort(i)))
	}
	return strings.Join(urls, ",")
}

// newServer writes the configuration of one.
func newServer(t *testing.T, at *place, number int) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{name: fmt.Sprintf("nats%d", number), at: at, file: filepath.Join(dir, "nats.conf")}
	var routes []string
	for i := range servers {
		routes = append(routes, fmt.Sprintf("nats://%s:%d", hub, clusterPort(i)))
	}
	writeFile(t, s.file, fmt.Sprintf(`
server_name: %s
listen: "%s:%d"
jetstream { store_dir: %q, max_mem: 64MB, max_file: 1GB }
cluster { name: faults, listen: "%s:%d", routes: [%s] }
`, s.name, hub, clientPort(number), dir, hub, clusterPort(number), strings.Join(routes, ", ")))
	return s
}

func (s *server) start() error {
	p, err := s.at.start("/proc/self/exe", append(os.Environ(), serverFile+"="+s.file))
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.began(p)
	return nil
}
