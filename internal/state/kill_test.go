package state_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/state"
)

// writeEnv makes the test binary write records into the directory that it names until it is killed.
const writeEnv = "STATE_TEST_WRITE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writeEnv); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// writeForEver prints the number of each write after it.
func writeForEver(dir string) {
	s, err := state.Open(state.Config{Dir: dir, Key: key})
	for i := 1; err == nil; i++ {
		r := sample("w1")
		r.State, r.Restarts = nex.StateRunning, i
		if err = s.Put(r, i%3 != 0); err == nil {
			_, err = fmt.Println(i)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// Whenever a process is killed, the last version that it had written, or was writing, is there.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 20 {
		acknowledged := killedAfter(t, dir, round)
		records, damaged, log := load(t, dir)
		if len(records) != 1 || len(damaged) != 0 {
			t.Fatalf("round %d: load = %v, %v", round, records, damaged)
		}
		// Between its two renames only the version before is there.
		if got := records[0].Restarts; got < acknowledged {
			t.Errorf("round %d: the record is of write %d, and %d had returned; log %q", round, got, acknowledged, log)
		}
		if got := names(t, dir); got[0] != "w1.json" {
			t.Errorf("round %d: left are %v", round, got)
		}
	}
}

// killedAfter runs a writer, kills it some time after the given write, and returns which had returned.
func killedAfter(t *testing.T, dir string, writes int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writeEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	last := 0
	for lines.Scan() {
		last, err = strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Errorf("the writer says %q", lines.Text())
			break
		}
		if last == writes+1 {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return last
}
