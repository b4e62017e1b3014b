package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli"
)

// Wrong usage is told in two lines, and costs nothing: nothing is printed, exit status 2.
func TestWrongUsage(t *testing.T) {
	tests := []struct {
		name, line string
		message    string
		command    string // whose help is the hint
	}{
		{"unknown command", "frobnicate", `there is no command "nex frobnicate"`, "nex"},
		{"mistyped command", "rnu", `there is no command "nex rnu": did you mean "run"?`, "nex"},
		{"unknown command below one", "node frobnicate", `there is no command "nex node frobnicate"`, "nex node"},
		{"mistyped command below one", "node lss", `there is no command "nex node lss": did you mean "ls"?`, "nex node"},
		{"help for an unknown command", "help frobnicate", `there is no command "nex frobnicate"`, "nex"},
		{"no command below one", "node", "nex node needs a command: up, ls, info, probe, state or preflight", "nex node"},
		{"no arguments", "run", "nex run needs <url> <node>", "nex run"},
		{"too few arguments", "run nats://B/k", "nex run needs <node>", "nex run"},
		{"too many arguments", "stop one two", "unexpected argument two", "nex stop"},
		{"unknown flag", "stop one --farce=1s", "unknown flag --farce", "nex stop"},
		{"mistyped flag", "--vesion", `unknown flag --vesion, did you mean "--version"?`, "nex"},
		{"no value", "logs -n", "--lines needs a value", "nex logs"},
		{"no value of a global flag", "node ls --server", "--server needs a value", "nex node ls"},
		{"not a number", "logs --lines=many", `--lines: expected a valid 64 bit int but got "many"`, "nex logs"},
		{"not a time", "stop one --grace=long", `--grace: expected duration but got "long": time: invalid duration "long"`, "nex stop"},
		{"out of range", "logs --lines=1001", "--lines must be between 0 and 1000", "nex logs"},
		{"out of range too", "stop one --grace=-1s", "--grace must be between 0s and 5m0s", "nex stop"},
		{"not one of few", "run nats://B/k N --type=elf", `--type must be native, v8, wasm or oci, not "elf"`, "nex run"},
		{"not one of few, in a list", "node probe --type=v8,elf", `--type must be native, v8, wasm or oci, not "elf"`, "nex node probe"},
		{"not one of few, or none", "node probe --min-sandbox=chroot", `--min-sandbox must be none, gvisor or microvm, not "chroot"`, "nex node probe"},
		{"argument not one of few", "completion tcsh", `<shell> must be bash, zsh or fish, not "tcsh"`, "nex completion"},
		{"not one of few, of a global flag", "version --loglevel=all", `--loglevel must be debug, info, warn or error, not "all"`, "nex version"},
		{"no file", "devrun ./does-not-exist", "there is no file " + filepath.Join(workingDir(t), "does-not-exist"), "nex devrun"},
		{"not a file", "devrun ./testdata", filepath.Join(workingDir(t), "testdata") + " is a folder, but no image: it has no index.json, as an OCI layout has", "nex devrun"},
		{"not a file either", "devrun /dev/null", "/dev/null is no file that can be uploaded: give a program, a .js, .ts or a .wasm file, or an image", "nex devrun"},
		{"function without a trigger", "run nats://B/fn.js N", "a function without a trigger can never be called: give the subject that it answers with --trigger_subject", "nex run"},
		{"function by its type", "run nats://B/fn N --type=wasm", "a function without a trigger can never be called: give the subject that it answers with --trigger_subject", "nex run"},
		{"module without a trigger", "run nats://B/fn.mjs N", "a function without a trigger can never be called: give the subject that it answers with --trigger_subject", "nex run"},
		{"service with a trigger", "run nats://B/prog N --trigger_subject=x", "a workload of type native cannot have triggers: leave --trigger_subject away", "nex run"},
		{"service with calls", "run nats://B/prog N --max_concurrency=2", "a workload of type native cannot have calls: leave --max_concurrency away", "nex run"},
		{"service with a time", "run nats://B/fn.wasm N --type=native --call_timeout=2s", "a workload of type native cannot have calls: leave --call_timeout away", "nex run"},
		{"too many calls", "run nats://B/fn.js N --trigger_subject=x --max_concurrency=1025", "--max_concurrency must be between 0 and 1024", "nex run"},
		{"fewer than no calls", "run nats://B/fn.js N --trigger_subject=x --max_concurrency=-1", "--max_concurrency must be between 0 and 1024", "nex run"},
		{"credentials for no server", "run nats://B/fn.js N --trigger_subject=x --trigger_creds=f", "--trigger_creds is for a server: give it with --trigger_url", "nex run"},
		{"host credentials for no server", "run nats://B/fn.js N --trigger_subject=x --host_services_creds=f", "--host_services_creds is for a server: give it with --host_services_url", "nex run"},
		{"service with a connection", "run nats://B/p N --trigger_url=nats://h", "a workload of type native makes its own connections: leave --trigger_url and --host_services_url away", "nex run"},
		{"too long a call", "run nats://B/fn.js N --trigger_subject=x --call_timeout=5m1ms", "--call_timeout must be between 0s and 5m0s", "nex run"},
		{"too short a call", "run nats://B/fn.js N --trigger_subject=x --call_timeout=999us", "--call_timeout must be at least 1ms, or 0s for the node's default", "nex run"},
		{"function with arguments", "run nats://B/fn.js N --trigger_subject=x --argv=y", "a function has no arguments, it is called with subject and payload: leave --argv away, or give an environment variable, name=value", "nex run"},
		{"no level", "run nats://B/p N --min_sandbox=castle", `--min_sandbox must be none, gvisor or microvm, not "castle"`, "nex run"},
		{"no restart policy", "run nats://B/p N --restart=maybe", `--restart must be always, on-failure or never, not "maybe"`, "nex run"},
		{"essential and not restarted", "run nats://B/p N --essential --restart=never", "--restart: never contradicts essential, which is always: give one of the two", "nex run"},
		{"function that is not restarted", "run nats://B/fn.js N --trigger_subject=x --restart=on-failure", "--restart: a v8 function answers until it is stopped, so that its policy is always: leave it away", "nex run"},
		{"no command of state", "node state", "nex node state needs a command: ls, rm or repair", "nex node state"},
		{"nothing to remove", "node state rm", "nex node state rm needs <id> ...", "nex node state rm"},
		{"too little memory", "run nats://B/p N --memory=15", "--memory must be between 16MiB and 1TiB, or 0 for the node's default", "nex run"},
		{"too much memory", "run nats://B/p N --memory=2TiB", "--memory must be between 16MiB and 1TiB, or 0 for the node's default", "nex run"},
		{"unit of two meanings", "run nats://B/p N --memory=1GB", `--memory: "1GB" is no amount of memory: write MiB, or a unit, such as 256, 256MiB or 1GiB`, "nex run"},
		{"negative memory", "node probe --memory=-5", `--memory: "-5" is no amount of memory: write MiB, or a unit, such as 256, 256MiB or 1GiB`, "nex node probe"},
		{"too little of a processor", "run nats://B/p N --cpu=0.001", "--cpu must be between 0.01 and 1024, or 0 for the node's default", "nex run"},
		{"no number of processors", "run nats://B/p N --cpu=NaN", "--cpu must be between 0.01 and 1024, or 0 for the node's default", "nex run"},
		{"bad rule", "run nats://B/p N --egress_allow=10.0.0.1/8", `--egress_allow: egress rule "10.0.0.1/8": it is an address in a network: write the network, 10.0.0.0/8`, "nex run"},
		{"bad rule among others", "run nats://B/p N --egress-deny=*:25,*:0", `--egress_deny: egress rule "*:0": "0" is no port: it is 1 to 65535, or a range such as 8000-8100`, "nex run"},
		{"function with egress", "run nats://B/fn.js N --trigger_subject=x --egress_deny=*", "a function has no network of its own: leave --egress_allow and --egress_deny away", "nex run"},
		{"image with a trigger", "run oci://h/app:1 N --trigger_subject=x", "a workload of type oci cannot have triggers: leave --trigger_subject away", "nex run"},
		{"not a script", "run nats://B/fn.TS N --trigger_subject=x", "a node cannot run .ts artifacts: deploy the file with nex devrun, which makes a script of it, or say with --type v8 that it is one", "nex run"},
		{"no environment variable", "devrun main_test.go NAME", `"NAME" is no environment variable: write name=value`, "nex devrun"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, strings.Fields(tt.line)...)
			want := result{2, "", "nex: error: " + tt.message + "\nnex: hint: see " + tt.command + " --help\n"}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func workingDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWrongValueInTheEnvironment(t *testing.T) {
	t.Setenv("NEX_LOGLEVEL", "all")
	got := run(t, "version")
	if want := `--loglevel must be debug, info, warn or error, not "all"`; got.code != 2 || !strings.Contains(got.err, want) {
		t.Errorf("got %+v, want status 2 and %q", got, want)
	}
}

// What cannot be done without a server fails with status 1, and without a hint to the help.
func TestFailure(t *testing.T) {
	t.Setenv("NEX_DATA_DIR", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // no NATS context
	got := run(t, "node", "ls", "--server=nats://127.0.0.1:1", "--timeout=5s")
	if got.code != 1 || got.out != "" || !strings.HasPrefix(got.err, "nex: error: ") || strings.Contains(got.err, "nex: hint:") {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.err, "127.0.0.1:1") {
		t.Errorf("the error does not name the server: %s", got.err)
	}
}

func TestVersion(t *testing.T) {
	for _, line := range []string{"version", "--version"} {
		if got, want := run(t, line), (result{0, nex.Version + "\n", ""}); got != want {
			t.Errorf("nex %s: got %+v, want %+v", line, got, want)
		}
	}
}

func TestVersionAsJSON(t *testing.T) {
	got := run(t, "version", "--json")
	var v struct{ Version, Go, OS, Arch string }
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != 0 || got.err != "" {
		t.Fatalf("%+v: %v", got, err)
	}
	if v.Version != nex.Version || v.Go != runtime.Version() || v.OS != runtime.GOOS || v.Arch != runtime.GOARCH {
		t.Errorf("got %+v", v)
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code int
		want string
	}{
		{"nothing", nil, 0, ""},
		{"one line", errors.New("no"), 1, "nex: error: no\n"},
		{"several lines", errors.New("2 problems:\n  line 1: a\nline 2: b\n"), 1, "nex: error: 2 problems:\n  line 1: a\n  line 2: b\n"},
		{"what a node forges", nex.Errorf(nex.CodeInternal, "\x1b[2Jno\nnex: hint: rm -rf\r\u202e"), 1, "nex: error: no\n  nex: hint: rm -rf��\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if code := cli.Report(&b, tt.err); code != tt.code || b.String() != tt.want {
				t.Errorf("got %d, %q, want %d, %q", code, b.String(), tt.code, tt.want)
			}
		})
	}
}
