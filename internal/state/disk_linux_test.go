package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/state"
)

// The disk is full: a small file system, mounted where nobody else sees it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	nextest.OnSmallDisk(t, "256k", func(dir string) { onFullDisk(t, dir) })
}

func onFullDisk(t *testing.T, dir string) {
	t.Helper()
	s, _ := open(t, state.Dir(dir))
	kept := sample("w1")
	put(t, s, kept, true)
	fill(t, filepath.Join(dir, "ballast"))
	for _, durable := range []bool{true, false} {
		for _, id := range []string{"w1", "w2"} {
			r := sample(id)
			r.State = nex.StateRestarting
			if err := s.Put(r, durable); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "keep the state of workload "+id+": ") {
				t.Errorf("put %s: %v", id, err)
			}
		}
	}
	if got := names(t, state.Dir(dir)); !reflect.DeepEqual(got, []string{"w1.json"}) {
		t.Errorf("there is %v", got)
	}
	records, damaged, log := load(t, state.Dir(dir))
	if len(records) != 1 || !reflect.DeepEqual(records[0], kept) || len(damaged) != 0 || log != "" {
		t.Errorf("load = %+v, %v, log %q", records, damaged, log)
	}
	// Records can go, and with room there is a way on.
	if err := s.Delete("w1"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	put(t, s, kept, true)
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
