package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nex-engine/nex/internal/nextest"
)

// until fails the script if try is not true soon.
func until(ts *testscript.TestScript, what string, try func() bool) {
	if !nextest.Poll(try) {
		ts.Fatalf("not within %s: %s", nextest.Patience, what)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, strings.Join(args, " "), func() bool { return (ts.Exec(args[0], args[1:]...) == nil) != neg })
}

// deploy runs a command that deploys. On a busy machine what it deploys may still be starting then.
func deploy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: deploy nex [--namespace NAME] devrun|run …")
	}
	ts.Check(ts.Exec(args[0], args[1:]...))
	if !strings.Contains(ts.ReadFile("stderr"), "It is still starting") {
		return
	}
	named := regexp.MustCompile(`with ID: (\S+) on node (\S+)`).FindStringSubmatch(ts.ReadFile("stdout"))
	if named == nil {
		ts.Fatalf("%s has not said what it deploys where", strings.Join(args, " "))
	}
	look := []string{"node", "info", named[2], "--json"}
	if args[1] == "--namespace" {
		look = append(look, args[1:3]...)
	}
	until(ts, "workload "+named[1]+" runs", func() bool {
		out, err := command(ts, args[0], look...).Output()
		return err == nil && !bytes.Contains(out, []byte(`"state": "starting"`))
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS CMD…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// sentence checks that there is one line about a failure, without what a developer would print.
func sentence(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sentence REGEXP")
	}
	var complaints []string
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if complaint, ok := strings.CutPrefix(line, "nex: error: "); ok {
			complaints = append(complaints, strings.TrimSuffix(complaint, "\n"))
		}
	}
	if len(complaints) != 1 || !pattern(ts, args[0]).MatchString(complaints[0]) {
		ts.Fatalf("complaints = %q, want one that matches %s", complaints, args[0])
	}
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	match := pattern(ts, args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) != 2 {
		ts.Fatalf("%s does not match standard output with one group", args[1])
	}
	ts.Setenv(args[0], match[1])
}

func gone(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "gone "+args[0], func() bool {
		ids, err := nextest.Processes(args[0])
		ts.Check(err)
		return len(ids) == 0
	})
}

// agentsGone goes by what the node has noted on disk, which is there after the node was killed.
func agentsGone(ts *testscript.TestScript, _ bool, args []string) {
	records, err := filepath.Glob(filepath.Join(args[0], "sandbox", "process", "*", "instance.json"))
	ts.Check(err)
	for _, path := range records {
		var record struct {
			Process struct{ PID int }
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it was removed just now
		}
		ts.Check(json.Unmarshal(b, &record))
		proc := filepath.Join("/proc", strconv.Itoa(record.Process.PID))
		until(ts, "agent "+path+" is gone", func() bool {
			line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
			return err != nil || !strings.HasPrefix(string(line), "nex-agent\x00")
		})
	}
}
