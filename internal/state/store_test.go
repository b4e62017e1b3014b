package state_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/state"
)

// open opens a store and returns what it logs.
func open(t testing.TB, dir string) (*state.Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := state.Open(state.Config{Dir: dir, Key: key, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

func put(t testing.TB, s *state.Store, r state.Record, durable bool) {
	t.Helper()
	if err := s.Put(r, durable); err != nil {
		t.Fatal(err)
	}
}

// load loads what is in the directory as the next process would, and returns what that logs.
func load(t testing.TB, dir string) ([]state.Record, []state.Damaged, string) {
	t.Helper()
	s, log := open(t, dir)
	records, damaged, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return records, damaged, log.String()
}

// names are the files in a directory.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func damage(t testing.TB, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsOutliveTheStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "state")
	s, _ := open(t, dir)
	var want []state.Record
	for i, id := range []string{"last", "a_-Z9", "first"} {
		r := sample(id)
		r.Accepted = r.Accepted.Add(time.Duration(-i) * time.Hour)
		put(t, s, r, i%2 == 0)
		want = append([]state.Record{r}, want...)
	}
	put(t, s, sample("gone"), true)
	if err := s.Delete("gone"); err != nil {
		t.Error(err)
	}
	records, damaged, log := load(t, dir)
	if !reflect.DeepEqual(records, want) || len(damaged) != 0 || log != "" {
		t.Errorf("load = %+v, %v, log %q\nwant %+v", records, damaged, log, want)
	}
	info, err := os.Stat(filepath.Join(dir, "first.json"))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	for _, id := range []string{"", ".", "..", "../w", "a/b", "a.previous", strings.Repeat("a", 129), "a\x00"} {
		if err := s.Put(sample(id), false); err == nil || !strings.Contains(err.Error(), "is no workload id") {
			t.Errorf("put %q: %v", id, err)
		}
		if err := s.Delete(id); err == nil || !strings.Contains(err.Error(), "is no workload id") {
			t.Errorf("delete %q: %v", id, err)
		}
	}
	large := sample("w1")
	large.Spec = make([]byte, state.MaxSpec+1)
	if err := s.Put(large, false); err == nil || !strings.HasPrefix(err.Error(), "keep the state of workload w1: ") {
		t.Errorf("put what is too large: %v", err)
	}
	if got := names(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
	large.Spec = large.Spec[1:]
	if data := encoded(t, large); len(data) > state.MaxFile {
		t.Errorf("the largest specification makes a file of %d bytes, which is not read", len(data))
	}
	if _, err := state.Open(state.Config{Dir: dir, Key: key[1:]}); err == nil {
		t.Error("opened with a key of 31 bytes")
	}
}

// The previous version is the last one that was written durably before, but for what was to be stopped.
func TestPreviousVersion(t *testing.T) {
	t.Parallel()
	type step struct {
		state   nex.State
		durable bool
	}
	for name, tt := range map[string]struct {
		steps []step
		want  int // the step whose version is used when the current one is damaged; -1 if none is
	}{
		"one":                             {[]step{{nex.StateStarting, true}}, -1},
		"two durable":                     {[]step{{nex.StateStarting, true}, {nex.StateRunning, true}}, 0},
		"three durable":                   {[]step{{nex.StateStarting, true}, {nex.StateRunning, true}, {nex.StateRestarting, true}}, 1},
		"one not durable":                 {[]step{{nex.StateStarting, true}, {nex.StateRunning, false}}, 0},
		"several not durable":             {[]step{{nex.StateStarting, true}, {nex.StateRunning, false}, {nex.StateRestarting, false}, {nex.StateRunning, false}}, 0},
		"not durable, then durable":       {[]step{{nex.StateStarting, true}, {nex.StateRunning, false}, {nex.StateRestarting, true}}, 0},
		"durable again":                   {[]step{{nex.StateStarting, true}, {nex.StateRunning, false}, {nex.StateRestarting, true}, {nex.StateRunning, false}}, 2},
		"nothing durable":                 {[]step{{nex.StateStarting, false}, {nex.StateRunning, false}}, -1},
		"being stopped":                   {[]step{{nex.StateStarting, true}, {nex.StateRunning, false}, {nex.StateStopping, true}}, -1},
		"being stopped, not durable":      {[]step{{nex.StateStarting, true}, {nex.StateRunning, true}, {nex.StateStopping, false}}, -1},
		"failed":                          {[]step{{nex.StateStarting, true}, {nex.StateRunning, true}, {nex.StateFailed, true}}, -1},
		"still being stopped, once again": {[]step{{nex.StateStarting, true}, {nex.StateStopping, true}, {nex.StateStopping, true}}, -1},
	} {
		dir := t.TempDir()
		s, _ := open(t, dir)
		for i, step := range tt.steps {
			r := sample("w1")
			r.State, r.Restarts = step.state, i
			put(t, s, r, step.durable)
		}
		damage(t, filepath.Join(dir, "w1.json"))
		records, damaged, log := load(t, dir)
		if tt.want < 0 {
			if len(records) != 0 || len(damaged) != 1 {
				t.Errorf("%s: load = %v, %v, want it to be damaged", name, records, damaged)
			}
			continue
		}
		if len(records) != 1 || records[0].Restarts != tt.want || len(damaged) != 0 {
			t.Errorf("%s: load = %+v, %v, want the version of step %d", name, records, damaged, tt.want)
		}
		if !strings.Contains(log, "level=WARN") || !strings.Contains(log, "workload=w1") {
			t.Errorf("%s: log = %q", name, log)
		}
	}
}

// What a process that ended between two renames has left is the version before.
func TestInterruptedWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	put(t, s, sample("w1"), true)
	if err := os.Rename(filepath.Join(dir, "w1.json"), filepath.Join(dir, "w1.previous.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".w1.123"), []byte("a part"), 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, damaged, err := state.Read(dir); err != nil || len(entries) != 1 || entries[0].Warning != "" || len(damaged) != 0 {
		t.Errorf("read = %+v, %v, %v", entries, damaged, err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("reading has changed it to %v", got)
	}
	records, damaged, _ := load(t, dir)
	if len(records) != 1 || !reflect.DeepEqual(records[0], sample("w1")) || len(damaged) != 0 {
		t.Errorf("load = %+v, %v", records, damaged)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"w1.json"}) {
		t.Errorf("left: %v", got)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	for i := range 3 {
		r := sample("w1")
		r.Restarts = i
		put(t, s, r, true)
	}
	for range 2 { // the second time there is nothing
		if err := s.Delete("w1"); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
	put(t, s, sample("w1"), false) // as if it had never been there
	if got := names(t, dir); !slices.Equal(got, []string{"w1.json"}) {
		t.Errorf("there is %v", got)
	}
}

func TestDamagedRecordsAreMovedAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	put(t, s, sample("good"), true)
	for range 2 {
		put(t, s, sample("bad"), true)
	}
	damage(t, filepath.Join(dir, "bad.json"))
	damage(t, filepath.Join(dir, "bad.previous.json"))
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "odd.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	entries, damaged, err := state.Read(dir)
	if err != nil || len(entries) != 1 || entries[0].ID != "good" || entries[0].Spec != nil || len(damaged) != 2 {
		t.Fatalf("read = %+v, %+v, %v", entries, damaged, err)
	}
	const part = "it is no record or a part of one (unexpected end of JSON input)"
	if want := (state.Damaged{ID: "bad", File: filepath.Join(dir, "bad.json"), Reason: part + "; and of the version before it, " + part}); damaged[0] != want {
		t.Errorf("damaged is %+v\nwant %+v", damaged[0], want)
	}
	records, damaged, log := load(t, dir)
	aside := filepath.Join(dir, "damaged")
	if len(records) != 1 || len(damaged) != 2 {
		t.Fatalf("load = %+v, %+v", records, damaged)
	}
	if damaged[0].File != filepath.Join(aside, "bad.json") || damaged[1].File != filepath.Join(aside, "odd.json") || damaged[1].Reason != "it is no file" {
		t.Errorf("damaged are %+v", damaged)
	}
	if log != "" {
		t.Errorf("what is returned is also logged: %q", log)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"damaged", "good.json", "notes.txt"}) {
		t.Errorf("there is %v", got)
	}
	if got := names(t, aside); !slices.Equal(got, []string{"bad.json", "bad.previous.json", "odd.json"}) {
		t.Errorf("moved away are %v", got)
	}
	if records, damaged, log := load(t, dir); len(records) != 1 || len(damaged) != 0 || log != "" {
		t.Errorf("loaded again it is %v, %v, log %q", records, damaged, log)
	}
	if _, damaged, err := state.Read(dir); err != nil || len(damaged) != 3 || damaged[0].Reason != part {
		t.Errorf("read again: %+v, %v", damaged, err)
	}
	// Another one with the name does not take its place.
	s, _ = open(t, dir)
	put(t, s, sample("bad"), true)
	damage(t, filepath.Join(dir, "bad.json"))
	if _, damaged, _ := load(t, dir); len(damaged) != 1 || damaged[0].File != filepath.Join(aside, "bad.2.json") {
		t.Errorf("damaged once more: %+v", damaged)
	}
}

// After a restore, writing goes on as if nothing had been.
func TestRestoredRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	for i := range 2 {
		r := sample("w1")
		r.Restarts = i
		put(t, s, r, true)
	}
	damage(t, filepath.Join(dir, "w1.json"))
	s, _ = open(t, dir)
	if records, _, err := s.Load(); err != nil || len(records) != 1 || records[0].Restarts != 0 {
		t.Fatalf("load = %v, %v", records, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"damaged", "w1.json"}) {
		t.Errorf("there is %v", got)
	}
	r := sample("w1")
	r.Restarts = 7
	put(t, s, r, false)
	if records, _, _ := load(t, dir); len(records) != 1 || records[0].Restarts != 7 {
		t.Errorf("load = %v", records)
	}
	damage(t, filepath.Join(dir, "w1.json"))
	if records, _, _ := load(t, dir); len(records) != 1 || records[0].Restarts != 0 {
		t.Errorf("load = %v", records)
	}
}

func TestNewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	put(t, s, sample("w1"), true)
	damage(t, filepath.Join(dir, "w1.json"))
	path := filepath.Join(dir, "w2.json")
	if err := os.WriteFile(path, file(2, `{"id":"w2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Load()
	want := "the state of workload w2 in " + path + " cannot be used: it is of version 2 of the format and this nex knows no later one than 1: upgrade nex"
	if err == nil || err.Error() != want {
		t.Errorf("load: %v\nwant %s", err, want)
	}
	if _, err := state.Repair(dir, key); err == nil || err.Error() != want {
		t.Errorf("repair: %v\nwant %s", err, want)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"w1.json", "w2.json"}) {
		t.Errorf("it was changed to %v", got)
	}
	if _, damaged, err := state.Read(dir); err != nil || len(damaged) != 2 || !strings.HasSuffix(damaged[1].Reason, ": upgrade nex") {
		t.Errorf("read: %+v, %v", damaged, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			id := fmt.Sprint("w", w)
			for i := range 30 {
				r := sample(id)
				r.Restarts = i
				put(t, s, r, i%10 == 0)
				if i%7 == 6 {
					if err := s.Delete(id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 50 {
		if _, damaged, err := state.Read(dir); err != nil || len(damaged) != 0 {
			t.Errorf("read beside the writers: %v, %v", damaged, err)
		}
	}
	writers.Wait()
	records, damaged, _ := load(t, dir)
	if len(records) != 8 || len(damaged) != 0 {
		t.Errorf("load = %v, %v", records, damaged)
	}
	for _, r := range records {
		if r.Restarts != 29 {
			t.Errorf("%s is the version of write %d", r.ID, r.Restarts)
		}
	}
}
