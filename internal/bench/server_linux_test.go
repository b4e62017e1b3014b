package bench_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// server is a NATS server with JetStream in a process of its own.
type server struct {
	b       *testing.B
	dir     string
	port    string // the same after each start
	process *nextest.Process
}

// startServer starts a NATS server.
func startServer(b *testing.B) *server {
	b.Helper()
	s := &server{b: b, dir: b.TempDir(), port: "-1"}
	s.start()
	b.Cleanup(func() { s.process.Kill() }) // it ends with an error of its own when it is told to
	s.port = s.listens()
	return s
}

// start starts it, or starts it again. It does not wait until the server listens.
func (s *server) start() {
	s.b.Helper()
	p, err := nextest.Start(exec.Command(build(s.b, "github.com/nats-io/nats-server/v2"),
		"-a", "127.0.0.1", "-p", s.port, "-js", "-sd", filepath.Join(s.dir, "jetstream"), "--ports_file_dir", s.dir))
	if err != nil {
		s.b.Fatal(err)
	}
	s.process = p
}

func (s *server) url() string { return "nats://127.0.0.1:" + s.port }

// listens waits until it does, for the first time, and returns the port.
func (s *server) listens() string {
	s.b.Helper()
	var ports struct {
		NATS []string `json:"nats"`
	}
	nextest.Await(s.b, "the NATS server says where it listens", func() bool {
		files, _ := filepath.Glob(filepath.Join(s.dir, "*.ports"))
		if len(files) != 1 {
			return false
		}
		content, err := os.ReadFile(files[0])
		return err == nil && json.Unmarshal(content, &ports) == nil && len(ports.NATS) > 0
	})
	u, err := url.Parse(ports.NATS[0])
	if err != nil {
		s.b.Fatal(err)
	}
	return u.Port()
}
