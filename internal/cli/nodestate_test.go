package cli_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/datadir"
	"github.com/nex-engine/nex/internal/keyfile"
	"github.com/nex-engine/nex/internal/state"
)

// keptBy makes the data directory of a node that has kept records, by ids; each has a previous version.
func keptBy(t *testing.T, ids ...string) string {
	t.Helper()
	dataDir := t.TempDir()
	pair, _, err := keyfile.LoadOrCreate(filepath.Join(dataDir, "node.nk"), keyfile.Server)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(state.Config{Dir: state.Dir(dataDir), Key: state.Key(seed), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		r := state.Record{
			ID: id, Name: "name_of_" + id, Namespace: "default", Type: nex.TypeNative, Restart: nex.RestartOnFailure, AgentID: "agent1",
			Accepted: time.Date(2026, 11, 21, 20, 15, 0, 0, time.UTC), Spec: []byte("{}"),
		}
		for _, r.State = range []nex.State{nex.StateStarting, nex.StateRunning} {
			if err := store.Put(r, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dataDir
}

// spoil damages files of a data directory's state.
func spoil(t *testing.T, dataDir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(state.Dir(dataDir), name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nodeState runs a command below nex node state, and fails unless it ends with the status.
func nodeState(t *testing.T, code int, dataDir, line string) result {
	t.Helper()
	got := run(t, append([]string{"node", "state", "--data-dir", dataDir}, strings.Fields(line)...)...)
	if got.code != code {
		t.Fatalf("nex node state %s ends with status %d\n%s%s", line, got.code, got.out, got.err)
	}
	return got
}

func TestStateLs(t *testing.T) {
	dataDir := keptBy(t, "w1", "w2", "w3")
	spoil(t, dataDir, "w2.json", "w3.json", "w3.previous.json")
	node, err := datadir.Open(dataDir) // it works beside one
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	got := nodeState(t, 0, dataDir, "ls")
	for _, want := range []string{"w1 │ default   │ name_of_w1 │ native │ on-failure │ running  │", "│ agent1", "w2 │ default   │ name_of_w2 │ native │ on-failure │ starting │", "│ damaged  │"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("the table lacks %q:\n%s", want, got.out)
		}
	}
	lines := strings.Split(strings.TrimSpace(got.err), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "w2: the current file is damaged, ") ||
		!strings.HasPrefix(lines[1], "w3: "+filepath.Join(dataDir, "state", "w3.json")+" cannot be used: ") {
		t.Errorf("it says %q", lines)
	}
	var list render.StateList
	if err := json.Unmarshal([]byte(nodeState(t, 0, dataDir, "ls --json").out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Workloads) != 2 || list.Workloads[0].ID != "w1" || list.Workloads[0].Warning != "" ||
		list.Workloads[1].State != nex.StateStarting || list.Workloads[1].Warning == "" || len(list.Damaged) != 1 || list.Damaged[0].ID != "w3" {
		t.Errorf("as JSON it is %+v", list)
	}
}

func TestStateOfNothing(t *testing.T) {
	dataDir := t.TempDir()
	if got := nodeState(t, 0, dataDir, "ls"); got.out != "" || got.err != "No workload is kept in "+dataDir+"\n" {
		t.Errorf("ls = %+v", got)
	}
	if got := nodeState(t, 0, dataDir, "ls --json").out; got != "{\n  \"workloads\": [],\n  \"damaged\": []\n}\n" {
		t.Errorf("ls --json = %s", got)
	}
	want := "{\n  \"whole\": 0,\n  \"restored\": [],\n  \"leftovers\": [],\n  \"damaged\": [],\n  \"removed\": []\n}\n"
	if got := nodeState(t, 0, dataDir, "repair --json").out; got != want {
		t.Errorf("repair --json = %s", got)
	}
	nowhere := filepath.Join(dataDir, "nowhere")
	for _, line := range []string{"ls", "rm w1", "repair"} {
		if got := nodeState(t, 1, nowhere, line); got.err != "nex: error: there is no data directory "+nowhere+": name the one of the node with --data-dir\n" {
			t.Errorf("%s says %q", line, got.err)
		}
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("the directory was made")
	}
}

func TestStateBesideANode(t *testing.T) {
	dataDir := keptBy(t, "w1")
	node, err := datadir.Open(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	want := "nex: error: a node runs on the data directory " + dataDir + ": stop it first, for what it knows of its workloads can be changed only while it is down\n"
	for _, line := range []string{"rm w1", "repair", "repair --remove-damaged --json"} {
		if got := nodeState(t, 1, dataDir, line); got.err != want || got.out != "" {
			t.Errorf("%s = %+v", line, got)
		}
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	nodeState(t, 0, dataDir, "rm w1")
	if datadir.Held(dataDir) {
		t.Error("the directory is locked still")
	}
}

func TestStateRm(t *testing.T) {
	dataDir := keptBy(t, "w1", "w2", "w3", "w4")
	spoil(t, dataDir, "w2.json", "w2.previous.json")
	want := "nex: error: there is no workload w9 in " + state.Dir(dataDir) + ", so that nothing was removed: see nex node state ls\n"
	if got := nodeState(t, 1, dataDir, "rm w1 w9"); got.err != want || got.out != "" {
		t.Errorf("rm of what there is not = %+v", got)
	}
	const ended = "What of it still runs is ended when the node starts again\n"
	got := nodeState(t, 0, dataDir, "rm w1 w2 w1")
	if got.out != "Removed workload w1: it does not start again\nRemoved workload w2: it does not start again\n" || got.err != ended {
		t.Errorf("rm = %+v", got)
	}
	if got := nodeState(t, 0, dataDir, "rm w3 --json"); got.out != "{\n  \"removed\": [\n    \"w3\"\n  ]\n}\n" || got.err != ended {
		t.Errorf("rm --json = %+v", got)
	}
	entries, damaged, err := state.Read(state.Dir(dataDir))
	if err != nil || len(entries) != 1 || entries[0].ID != "w4" || len(damaged) != 0 {
		t.Errorf("left are %+v, %+v, %v", entries, damaged, err)
	}
}

func TestStateRepair(t *testing.T) {
	dataDir := keptBy(t, "w1", "w2", "w3")
	spoil(t, dataDir, "w2.json", "w3.json", "w3.previous.json", ".w1.7")
	aside := filepath.Join(dataDir, "state", "damaged")
	const part = "it is no record or a part of one (unexpected end of JSON input)"
	damaged := ""
	for _, name := range []string{"w2.json", "w3.json", "w3.previous.json"} {
		damaged += "Damaged: " + filepath.Join(aside, name) + ": " + part + "\n"
	}
	got := nodeState(t, 0, dataDir, "repair")
	want := "Restored workload w2 as it was before its last change: " + part + "\n" +
		"Removed what an interrupted write has left: " + filepath.Join(dataDir, "state", ".w1.7") + "\n" + damaged +
		"Workloads that can be used: 2\n"
	if got.out != want || got.err != "What is damaged does not keep a node from starting; --remove-damaged removes it\n" {
		t.Errorf("repair = %q\n%s\nwant %s", got.err, got.out, want)
	}
	if got := nodeState(t, 0, dataDir, "repair").out; got != damaged+"Workloads that can be used: 2\n" {
		t.Errorf("once more: %s", got)
	}
	got = nodeState(t, 0, dataDir, "repair --remove-damaged")
	if got.out != strings.NewReplacer("Damaged: ", "Removed what was damaged: ", ": "+part, "").Replace(damaged)+"Workloads that can be used: 2\n" || got.err != "" {
		t.Errorf("repair --remove-damaged = %+v", got)
	}
	if left, err := os.ReadDir(aside); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// What is sealed is looked at with the node's key.
func TestStateRepairUsesTheKey(t *testing.T) {
	dataDir := keptBy(t, "w1")
	path := filepath.Join(dataDir, "node.nk")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	got := nodeState(t, 0, dataDir, "repair")
	if got.out != "Workloads that can be used: 1\n" || !strings.HasPrefix(got.err, "The node's key "+path+" is missing: ") {
		t.Errorf("without the key: %+v", got)
	}
	if _, _, err := keyfile.LoadOrCreate(path, keyfile.Server); err != nil {
		t.Fatal(err)
	}
	got = nodeState(t, 1, dataDir, "repair")
	if want := "was not sealed with this node's key: put the key back"; got.out != "" || !strings.Contains(got.err, want) {
		t.Errorf("with another key: %+v, want %s", got, want)
	}
}

// A state that a newer nex has written is left alone.
func TestStateOfANewerVersion(t *testing.T) {
	dataDir := keptBy(t, "w1")
	path := filepath.Join(state.Dir(dataDir), "w2.json")
	newer := `{"version":2,"sha256":"0e406cbe7f63d0549094666f7962d68945c1d06f8d5d778d7e8a7a0fa308af1a","record":{}}`
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	got := nodeState(t, 1, dataDir, "repair --remove-damaged")
	want := "nex: error: the state of workload w2 in " + path + " cannot be used: it is of version 2 of the format and this nex knows no later one than 1: upgrade nex\n"
	if got.err != want {
		t.Errorf("repair says %q\nwant %q", got.err, want)
	}
	if got := nodeState(t, 0, dataDir, "ls"); !strings.Contains(got.err, "upgrade nex") {
		t.Errorf("ls says %q", got.err)
	}
	nodeState(t, 0, dataDir, "rm w2")
	nodeState(t, 0, dataDir, "repair")
}
