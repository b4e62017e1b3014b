package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/nex-engine/nex/internal/testreport"
)

// run calls the program with events and, unless empty, a file of allowed skips.
func run(t *testing.T, events, skips string) (code int, stdout, stderr string) {
	t.Helper()
	var args []string
	if skips != "" {
		file := filepath.Join(t.TempDir(), "skips")
		if err := os.WriteFile(file, []byte(skips), 0o600); err != nil {
			t.Fatal(err)
		}
		args = []string{"-skips", file}
	}
	var out, errs bytes.Buffer
	code = main.Main(args, strings.NewReader(events), &out, &errs)
	return code, out.String(), errs.String()
}

// stream builds a stream of events from "package test action output" lines; "-" stands for nothing.
func stream(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		f := strings.SplitN(line, " ", 4)
		e := map[string]string{"Action": f[2]}
		if f[0] != "-" {
			e["Package"] = f[0]
		}
		if f[1] != "-" {
			e["Test"] = f[1]
		}
		if len(f) == 4 {
			e["Output"] = f[3] + "\n"
		}
		line, _ := json.Marshal(e)
		b.Write(append(line, '\n'))
	}
	return b.String()
}

var passing = stream(
	"m/b - start",
	"m/b TestOK run",
	"m/b TestOK output === RUN   TestOK",
	"m/b TestOK output chatter of a test that passes",
	"m/b TestOK output --- PASS: TestOK (0.00s)",
	"m/b TestOK pass",
	"m/b - output PASS",
	"m/b - output ok  \tm/b\t0.012s",
	"m/b - pass",
	"m/a - start",
	"m/a - output ?   \tm/a\t[no test files]",
	"m/a - skip",
)

var skipping = stream(
	"m/dev TestBoot run",
	"m/dev TestBoot output === RUN   TestBoot",
	"m/dev TestBoot output     boot_test.go:7: needs /dev/kvm",
	"m/dev TestBoot output --- SKIP: TestBoot (0.00s)",
	"m/dev TestBoot skip",
	"m/dev - output ok  \tm/dev\t0.001s",
	"m/dev - pass",
)

func TestVerdict(t *testing.T) {
	tests := []struct {
		name   string
		events string
		skips  string
		code   int
		want   []string // in the output, in this order
		not    string   // nowhere in the output
	}{
		{
			name:   "all pass, in the order of plain go test",
			events: passing,
			want:   []string{"skipped: none\n", "?   \tm/a\t[no test files]\n", "ok  \tm/b\t0.012s\n"},
			not:    "chatter",
		},
		{
			name: "a failed test is shown in full",
			events: stream(
				"m/a TestBad output === RUN   TestBad",
				"m/a TestBad output     a_test.go:3: got 1, want 2",
				"m/a TestBad output --- FAIL: TestBad (0.00s)",
				"m/a TestBad fail",
				"m/a TestGood output quiet",
				"m/a TestGood pass",
				"m/a - output -test.shuffle 42",
				"m/a - output FAIL",
				"m/a - output FAIL\tm/a\t0.005s",
				"m/a - fail",
			),
			code: 1,
			want: []string{"got 1, want 2\n", "--- FAIL: TestBad", "-test.shuffle 42\n", "skipped: none\n", "FAIL\tm/a\t0.005s\n"},
			not:  "quiet",
		},
		{
			name: "a test that ran when the process died is shown",
			events: stream(
				"m/a TestDead output panic: lost",
				"m/a - output FAIL\tm/a\t0.005s",
				"m/a - fail",
			),
			code: 1,
			want: []string{"panic: lost\n", "FAIL\tm/a\t0.005s\n"},
		},
		{
			name: "a race is shown although its test passed",
			events: stream(
				"m/a TestRacy output WARNING: DATA RACE",
				"m/a TestRacy output Read at 0x1 by goroutine 7",
				"m/a TestRacy pass",
				"m/a - output FAIL\tm/a\t0.005s",
				"m/a - fail",
			),
			code: 1,
			want: []string{"Read at 0x1", "FAIL\tm/a"},
		},
		{
			name: "what does not build is shown once",
			events: `{"ImportPath":"m/c","Action":"build-output","Output":"c.go:1: undefined: x\n"}
{"ImportPath":"m/c","Action":"build-fail"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a [build failed]\n"}
{"Action":"fail","Package":"m/a","FailedBuild":"m/c"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b [build failed]\n"}
{"Action":"fail","Package":"m/b","FailedBuild":"m/c"}
`,
			code: 1,
			want: []string{"undefined: x\nskipped: none\n", "FAIL\tm/a [build failed]\n", "FAIL\tm/b [build failed]\n"},
		},
		{
			name:   "a skip that nobody allowed",
			events: skipping,
			code:   1,
			want:   []string{"WITHOUT LEAVE", "m/dev TestBoot: boot_test.go:7: needs /dev/kvm\n", "ok  \tm/dev\t0.001s\n"},
		},
		{
			name:   "a listed skip",
			events: skipping,
			skips:  "# devices\n\ndev TestBoot needs  /dev/kvm\n",
			want:   []string{"skipped as listed: m/dev TestBoot", "ok  \tm/dev\t0.001s\n"},
		},
		{
			name:   "any test of a package",
			events: skipping,
			skips:  "dev * needs /dev/kvm\n",
			want:   []string{"skipped as listed: m/dev TestBoot", "ok  \tm/dev\t0.001s\n"},
		},
		{
			name:   "a listed test that skips for another reason",
			events: skipping,
			skips:  "dev TestBoot needs root\n",
			code:   1,
			want:   []string{"WITHOUT LEAVE", "listed, not skipped: dev TestBoot: needs root\n"},
		},
		{
			name:   "a listed test of another package",
			events: skipping,
			skips:  "v TestBoot needs /dev/kvm\n",
			code:   1,
			want:   []string{"WITHOUT LEAVE"},
		},
		{
			name:   "a listed test that runs here",
			events: passing,
			skips:  "m/b TestOK needs /dev/kvm\n",
			want:   []string{"listed, not skipped: m/b TestOK", "ok  \tm/b\t0.012s\n"},
		},
		{
			name:   "a stream that breaks off",
			events: stream("m/a TestLong output still going"),
			code:   1,
			want:   []string{"still going\n", "m/a has not ended\n"},
		},
		{name: "nothing at all", code: 1, want: []string{"no package was tested\n"}},
		{
			name:   "a line that is no event is passed on",
			events: "go: warning: odd\n" + passing,
			want:   []string{"go: warning: odd\n", "ok  \tm/b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := run(t, tt.events, tt.skips)
			if code != tt.code || errs != "" {
				t.Errorf("exit status = %d, stderr %q; want %d and nothing", code, errs, tt.code)
			}
			rest := out
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("output lacks %q after what came before it:\n%s", want, out)
				}
				rest = after
			}
			if tt.not != "" && strings.Contains(out, tt.not) {
				t.Errorf("output has %q:\n%s", tt.not, out)
			}
		})
	}
}

// Whoever reads the end of a log finds go test's own words there, also below skips and failures.
func TestClosingLinesAreLast(t *testing.T) {
	tests := []struct{ name, events, want string }{
		{"passing", passing, "?   \tm/a\t[no test files]\nok  \tm/b\t0.012s\n"},
		{"skipping", skipping, "ok  \tm/dev\t0.001s\n"},
		{"failing", stream("m/a - output FAIL\tm/a\t0.1s", "m/a - fail", "m/a - output late"), "FAIL\tm/a\t0.1s\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, out, _ := run(t, tt.events, ""); !strings.HasSuffix(out, tt.want) {
				t.Errorf("output ends otherwise than with %q:\n%s", tt.want, out)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("pkg TestWithoutReason\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"argument", []string{"x"}, `unexpected argument "x"`},
		{"flag", []string{"-x"}, "not defined"},
		{"no such file", []string{"-skips", bad + "x"}, "read allowed skips: open"},
		{"bad file", []string{"-skips", bad}, bad + ":1: want package, test and part of the reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := main.Main(tt.args, strings.NewReader(passing), &out, &errs)
			if code != 2 || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
				t.Errorf("exit status %d, stderr %q, stdout %q; want 2, %q and nothing", code, &errs, &out, tt.want)
			}
		})
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(passing))
	f.Add([]byte(skipping))
	f.Add([]byte(`{"Action":"fail","Package":"p","FailedBuild":"q"}`))
	f.Add([]byte("no event\n\n{}\n"))
	f.Fuzz(func(t *testing.T, events []byte) {
		var out, errs bytes.Buffer
		code := main.Main(nil, bytes.NewReader(events), &out, &errs)
		if code == 0 && !bytes.Contains(events, []byte(`"`)) {
			t.Errorf("success without an event in %q", events)
		}
		if code == 0 && errs.Len() > 0 {
			t.Errorf("success with an error message: %s", &errs)
		}
	})
}
