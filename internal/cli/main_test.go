package cli_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cli"
)

var update = flag.Bool("update", false, "write docs/cli.md and the golden files anew")

// TestMain takes away what the environment says to nex, and the width of the terminal. In a process
// that a test starts as nex it is nex.
func TestMain(m *testing.M) {
	if os.Getenv(asNex) != "" {
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	flag.Parse()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "NEX_") || strings.HasPrefix(name, "NATS_") || strings.HasPrefix(name, "COMP_") || name == "COLUMNS" {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// run runs a command line.
func run(t *testing.T, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := cli.Main(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err})
	return result{code, out.String(), err.String()}
}
