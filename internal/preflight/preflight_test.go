package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/natstest"
	"github.com/nex-engine/nex/internal/preflight"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

func titles(groups []checklist.Group) []string {
	var list []string
	for _, g := range groups {
		list = append(list, g.Title)
	}
	return list
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := private(t)
	c := preflight.Config{
		File:     filepath.Join(dir, "config.json"),
		Required: true,
		DataDir:  filepath.Join(dir, "data"),
		NATS:     connectTo(natstest.Run(t).ClientURL()),
		Trials:   works(),
	}
	agent := writeScript(t, "nex-agent", "echo "+nex.Version)
	steps := []struct {
		name     string
		content  string
		change   func()
		blocking int
	}{
		{"in a sandbox", fmt.Sprintf(`{"bin_path": [%q, %q]}`, agent, programs(t)), func() {}, 0},
		{"nothing allows to run without one", fmt.Sprintf(`{"bin_path": [%q]}`, agent), func() {}, 1},
		{"the flag does", fmt.Sprintf(`{"bin_path": [%q]}`, agent), func() { c.NoSandbox = true }, 0},
		{"so does the file", fmt.Sprintf(`{"bin_path": [%q], "no_sandbox": true}`, agent), func() { c.NoSandbox = false }, 0},
		{"no agent in bin_path", fmt.Sprintf(`{"bin_path": [%q], "no_sandbox": true}`, dir), func() {}, 1},
	}
	for _, step := range steps {
		write(t, c.File, step.content)
		step.change()
		groups, _ := preflight.Run(t.Context(), c)
		if got := checklist.Blocking(groups); got != step.blocking {
			t.Errorf("%s: %d items block, want %d: %+v", step.name, got, step.blocking, groups)
		}
	}
	if _, err := os.Stat(c.DataDir); err == nil {
		t.Error("the check made the data directory")
	}
}

func TestRunWithBrokenConfiguration(t *testing.T) {
	t.Parallel()
	dir := private(t)
	groups, _ := preflight.Run(t.Context(), preflight.Config{
		File: write(t, filepath.Join(dir, "config.json"), "{"), DataDir: dir, NATS: refusing,
	})
	got, want := fmt.Sprint(titles(groups)), "[Configuration NATS Data directory Programs and sandboxes]"
	if got != want {
		t.Errorf("groups = %s, want %s", got, want)
	}
	finding{"unchecked", "mend the configuration", true}.check(t, groups[len(groups)-1])
}

// A node that starts a NATS server of its own does not need one before.
func TestRunWithPublicServer(t *testing.T) {
	t.Parallel()
	dir := private(t)
	agent := writeScript(t, "nex-agent", "echo "+nex.Version)
	file := write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"bin_path": [%q], "public_nats_server": {"port": 4222}}`, agent))
	groups, _ := preflight.Run(t.Context(), preflight.Config{File: file, DataDir: dir, NoSandbox: true, NATS: refusing, Trials: works()})
	if got := checklist.Blocking(groups); got != 0 {
		t.Errorf("%d items block, want none: %+v", got, groups)
	}
}

var refusing = preflight.NATS{URL: "nats://nowhere", Connect: func(context.Context) (*nats.Conn, error) { return nil, errors.New("refused") }}
