package escape_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// outcome is what an attack says of its attempts.
type outcome struct {
	args             []string
	refused, escaped []string
	// got is how much there was of what was exhausted.
	got map[string]int
	all string
}

// parse fails the test if the attack was not carried out to its end.
func parse(t *testing.T, args []string, out string) outcome {
	t.Helper()
	o := outcome{args: args, got: map[string]int{}, all: out}
	done := -1
	for line := range strings.Lines(out) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch kind {
		case "refused":
			o.refused = append(o.refused, rest)
		case "ESCAPED":
			o.escaped = append(o.escaped, rest)
		case "got":
			what, amount, _ := strings.Cut(rest, ": ")
			amount, _, _ = strings.Cut(amount, ":")
			n, err := strconv.Atoi(amount)
			if err != nil {
				t.Fatalf("%.100q: the line %q is malformed", args, line)
			}
			o.got[what] = n
		case "done":
			done, _ = strconv.Atoi(rest)
		}
	}
	if attempts := len(o.refused) + len(o.escaped) + len(o.got); done != attempts {
		t.Fatalf("%.100q: %d of %d attempts are told of:\n%s", args, attempts, done, out)
	}
	return o
}

// wantRefused checks that all attempts have failed, and that there were some.
func (o outcome) wantRefused(t *testing.T) {
	t.Helper()
	if len(o.escaped) > 0 || len(o.refused) == 0 {
		t.Errorf("%.100q: ESCAPED by %q, refused %d\n%s", o.args, o.escaped, len(o.refused), o.all)
	}
}

// wantEscaped checks that all attempts have succeeded: it is the control, without a sandbox.
func (o outcome) wantEscaped(t *testing.T) {
	t.Helper()
	if len(o.refused) > 0 || len(o.escaped) == 0 {
		t.Errorf("%.100q: the control fails: %q, and succeeds %d times", o.args, o.refused, len(o.escaped))
	}
}

// onHost makes the same attack as root of the machine, in namespaces for what would otherwise last.
func onHost(t *testing.T, args ...string) outcome {
	t.Helper()
	return onHostAs(t, nil, filepath.Join(binDir, "intruder"), t.TempDir(), args...)
}

// onHostAs does so as a user, by a copy of the program that he can run, with a directory for temporary files.
func onHostAs(t *testing.T, who *syscall.Credential, program, dir string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"TMPDIR=" + dir, "INTRUDER_INIT=" + strconv.Itoa(os.Getpid())}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS, Credential: who}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%.100q: %v\n%s", args, err, out)
	}
	return parse(t, args, string(out))
}
