package functiontest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function/functiontest"
)

// flawVariable makes TestConformance run with a runtime, or a description of it, that has a flaw.
const flawVariable = "NEX_FUNCTIONTEST_FLAW"

func TestConformance(t *testing.T) {
	flaw := os.Getenv(flawVariable)
	s := functiontest.Subject{Load: loader(flaw), Guests: map[functiontest.Guest]string{}}
	dir := t.TempDir()
	for name := range guests {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Guests[functiontest.Guest(name)] = path
	}
	switch flaw {
	case "lacks a guest":
		delete(s.Guests, functiontest.Echo)
	case "excepts what is not there":
		s.Cannot = map[string]string{"Nothing": "a reason"}
	case "excepts without a reason":
		s.Cannot = map[string]string{"Headers": ""}
	case "excepts":
		delete(s.Guests, functiontest.Headers)
		s.Cannot = map[string]string{"Headers": "a command has none"}
	}
	functiontest.Run(t, s)
}

// run runs one check of TestConformance in a process of its own, so that it can fail.
func run(t *testing.T, flaw, check string) (output string, passed bool) {
	t.Helper()
	pattern := "^TestConformance$"
	if check != "" {
		pattern += "/^" + check + "$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.v")
	cmd.Env = append(os.Environ(), flawVariable+"="+flaw)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// Each flaw is found by the check that is for it.
func TestFlawsAreFound(t *testing.T) {
	t.Parallel()
	for flaw, check := range map[string]string{
		"begins too late":            "ContextIsOver",
		"counts wrong":               "State",
		"gives more memory":          "Memory",
		"has no limit":               "Concurrency",
		"hides host errors":          "HostError",
		"hides the deadline":         "Deadline",
		"ignores Close":              "CloseBusy",
		"is poisoned":                "Throw",
		"keeps payloads":             "CallsDoNotGrow",
		"lacks a guest":              "Echo",
		"leaves a goroutine":         "Echo",
		"leaves host requests":       "CancelAwaiting",
		"loads anything":             "LoadRefuses",
		"loads for ever":             "LoadContextEnds",
		"loses headers":              "Headers",
		"prints at one level":        "Log",
		"returns text":               "Echo",
		"returns the payload itself": "ResultIsTheCallers",
		"sends anything":             "LargeResult",
		"shows its environment":      "Environment",
		"stops late":                 "Deadline",
		"throws its own error":       "Throw",
		"throws lines":               "Throw",
		"throws no stack":            "Stack",
		"works when closed":          "CloseAtOnce",
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			out, passed := run(t, flaw, check)
			if passed || !strings.Contains(out, "--- FAIL: TestConformance/"+check) {
				t.Errorf("%s does not fail:\n%s", check, out)
			}
		})
	}
}

// What a runtime cannot do is said, and only what there is can be excepted.
func TestExceptions(t *testing.T) {
	t.Parallel()
	if out, passed := run(t, "excepts", "Headers"); !passed || !strings.Contains(out, "not checked: Headers: a command has none") {
		t.Errorf("an exception is not in the log, or fails:\n%s", out)
	}
	for _, flaw := range []string{"excepts what is not there", "excepts without a reason"} {
		if out, passed := run(t, flaw, ""); passed {
			t.Errorf("%s: passes:\n%s", flaw, out)
		}
	}
}
