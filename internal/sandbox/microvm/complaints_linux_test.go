package microvm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
)

// A machine's process that complains for ever fills neither the host's disk nor our memory, and its last words are heard.
func TestComplaints(t *testing.T) {
	t.Parallel()
	const burst = `i=0; while [ $i -lt 20000 ]; do echo "the device is not what it should be, and says $i" >&2; i=$((i+1)); done; `
	v := &standin{script: burst + "echo done; exec sleep 1000000"}
	dir := filepath.Join(t.TempDir(), "state")
	d := newStandin(t, v, microvm.Config{Dir: dir})
	said := make(chan string, 1)
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}"), Log: func(line string) { said <- line }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { microvmtest.Destroy(t, i) })
	microvmtest.WantSaid(t, said, "done")
	home := filepath.Join(dir, "agent1")
	entries, err := os.ReadDir(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().IsRegular() && e.Name() != "disk" && info.Size() > 16<<10 {
			t.Errorf("%s has %d bytes", e.Name(), info.Size())
		}
	}

	d = newStandin(t, &standin{script: "echo 'it begins' >&2; echo 'all is lost' >&2; exit 1", mute: true}, microvm.Config{StartTimeout: microvmtest.Patience})
	if _, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}")}); err == nil || !strings.Contains(err.Error(), "all is lost") {
		t.Errorf("Start = %v, want its last words", err)
	}
	if kept := microvm.KeepComplaints(strings.Repeat("x", 1000), 1000, "the end"); len(kept) > 16<<10 || !strings.HasSuffix(kept, "\nthe end\n") {
		t.Errorf("%d bytes are kept, with %q last", len(kept), kept[len(kept)-10:])
	}
}
