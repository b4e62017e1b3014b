package state_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/state"
)

// mess makes a directory with a record that is whole, one whose previous version is, one that is
// damaged, and a leftover.
func mess(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, _ := open(t, dir)
	put(t, s, sample("whole"), true)
	put(t, s, sample("lost"), true)
	for i := range 2 {
		r := sample("old")
		r.Restarts = i
		put(t, s, r, true)
	}
	for _, name := range []string{"old.json", "lost.json"} {
		damage(t, filepath.Join(dir, name))
	}
	if err := os.WriteFile(filepath.Join(dir, ".whole.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{"with the key": key, "without a key": nil} {
		dir := mess(t)
		got, err := state.Repair(dir, key)
		const part = "it is no record or a part of one (unexpected end of JSON input)"
		want := state.Report{
			Whole:     2,
			Restored:  []state.Damaged{{ID: "old", File: filepath.Join(dir, "damaged", "old.json"), Reason: part}},
			Leftovers: []string{filepath.Join(dir, ".whole.1")},
			Damaged:   []state.Damaged{{ID: "lost", File: filepath.Join(dir, "damaged", "lost.json"), Reason: part}},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: repair = %+v, %v\nwant %+v", name, got, err, want)
		}
		records, damaged, log := load(t, dir)
		if len(records) != 2 || records[0].ID != "old" || records[0].Restarts != 0 || len(damaged) != 0 || log != "" {
			t.Errorf("%s: load = %+v, %v, log %q", name, records, damaged, log)
		}
		again, err := state.Repair(dir, key)
		if err != nil || again.Whole != 2 || len(again.Restored)+len(again.Leftovers)+len(again.Damaged) != 0 {
			t.Errorf("%s: repaired again: %+v, %v", name, again, err)
		}
	}
	if _, err := state.Repair(t.TempDir(), []byte("short")); err == nil {
		t.Error("repaired with a key that is none")
	}
}

// A store that is damaged again and again does not keep all of it.
func TestDamagedFilesAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	const most = 32
	for i := range most + 5 {
		put(t, s, sample("w1"), true)
		path := filepath.Join(dir, "w1.json")
		if err := os.WriteFile(path, []byte(strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		written := time.Unix(int64(i), 0)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Repair(dir, key); err != nil {
			t.Fatal(err)
		}
	}
	kept := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "damaged", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		kept[string(content)] = true
	}
	if len(files) != most || !kept[strconv.Itoa(most+4)] || kept["0"] {
		t.Errorf("%d files are kept, of which the last is one: %t, and the first: %t; want the last %d", len(files), kept[strconv.Itoa(most+4)], kept["0"], most)
	}
}

// With the key it is seen that a specification is another node's. Nothing is wrong with it, and nothing is done.
func TestRepairWithAnotherKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	put(t, s, sample("w1"), true)
	got, err := state.Repair(dir, state.Key([]byte("another")))
	if err == nil || !strings.Contains(err.Error(), "put the key back") {
		t.Errorf("repair = %+v, %v", got, err)
	}
	if records, damaged, err := state.Read(dir); err != nil || len(records) != 1 || len(damaged) != 0 {
		t.Errorf("read = %+v, %+v, %v", records, damaged, err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := mess(t)
	before := names(t, dir)
	entries, damaged, err := state.Read(dir)
	if err != nil || len(entries) != 2 || len(damaged) != 1 {
		t.Fatalf("read = %+v, %+v, %v", entries, damaged, err)
	}
	want := "the current file is damaged, it is no record or a part of one (unexpected end of JSON input): this is the version before it"
	if entries[0].ID != "old" || entries[0].Warning != want || entries[1].ID != "whole" || entries[1].Warning != "" {
		t.Errorf("read = %+v", entries)
	}
	whole := sample("whole")
	whole.Spec = nil
	if !reflect.DeepEqual(entries[1].Record, whole) {
		t.Errorf("read %+v\nwant %+v", entries[1].Record, whole)
	}
	if damaged[0].ID != "lost" || damaged[0].File != filepath.Join(dir, "lost.json") {
		t.Errorf("damaged is %+v", damaged[0])
	}
	if after := names(t, dir); !slices.Equal(before, after) {
		t.Errorf("reading has changed %v to %v", before, after)
	}
	if entries, damaged, err := state.Read(filepath.Join(dir, "nowhere")); entries != nil || damaged != nil || err != nil {
		t.Errorf("read nothing: %v, %v, %v", entries, damaged, err)
	}
	if _, _, err := state.Read(filepath.Join(dir, "whole.json")); err == nil {
		t.Error("read what is no directory")
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := mess(t)
	if _, err := state.Repair(dir, nil); err != nil { // moves files of lost and old away
		t.Fatal(err)
	}
	for _, id := range []string{"whole", "lost", "old"} {
		for _, want := range []bool{true, false} {
			if got, err := state.Remove(dir, id); err != nil || got != want {
				t.Errorf("remove %s = %v, %v, want %v", id, got, err, want)
			}
		}
	}
	if _, err := state.Remove(dir, "../w"); err == nil {
		t.Error("removed what is no workload")
	}
	if got := slices.Concat(names(t, dir), names(t, filepath.Join(dir, "damaged"))); !slices.Equal(got, []string{"damaged"}) {
		t.Errorf("left: %v", got)
	}
}

func TestRemoveDamaged(t *testing.T) {
	t.Parallel()
	dir := mess(t)
	if got, err := state.RemoveDamaged(dir); err != nil || got != nil {
		t.Errorf("removed %v, %v before anything was moved away", got, err)
	}
	if _, err := state.Repair(dir, nil); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(dir, "damaged")
	got, err := state.RemoveDamaged(dir)
	if want := []string{filepath.Join(aside, "lost.json"), filepath.Join(aside, "old.json")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("removed %v, %v, want %v", got, err, want)
	}
	if entries, damaged, err := state.Read(dir); err != nil || len(entries) != 2 || damaged != nil {
		t.Errorf("read = %v, %v, %v", entries, damaged, err)
	}
}
