package bench_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// startServer starts a NATS server with JetStream in a process of its own, and returns its URL.
func startServer(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	p, err := nextest.Start(exec.Command(build(b, "github.com/nats-io/nats-server/v2"),
		"-a", "127.0.0.1", "-p", "-1", "-js", "-sd", filepath.Join(dir, "jetstream"), "--ports_file_dir", dir))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Kill) // it ends with an error of its own when it is told to
	var ports struct {
		NATS []string `json:"nats"`
	}
	nextest.Await(b, "the NATS server says where it listens", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*.ports"))
		if len(files) != 1 {
			return false
		}
		content, err := os.ReadFile(files[0])
		return err == nil && json.Unmarshal(content, &ports) == nil && len(ports.NATS) > 0
	})
	return ports.NATS[0]
}
