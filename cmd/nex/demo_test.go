package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// TestDemo runs what make demo runs and holds the session in the README to what it prints.
func TestDemo(t *testing.T) {
	tree := t.TempDir()
	for link, target := range map[string]string{
		"scripts":        filepath.Join(nextest.Root(), "scripts"),
		"examples":       filepath.Join(nextest.Root(), "examples"),
		"bin/tools/nats": filepath.Join(binDir, "nats"),
	} {
		linkTo(t, target, filepath.Join(tree, link))
	}
	programs := []string{"nex", "nex-agent", "echoservice", "echofunction.wasm"}
	if nextest.Sandboxed() {
		programs = append(programs, "runsc")
	}
	for _, program := range programs {
		linkTo(t, filepath.Join(binDir, program), filepath.Join(tree, "bin", program))
	}
	cmd := exec.Command(filepath.Join(tree, "scripts", "demo"))
	cmd.Env = append(os.Environ(), nextest.Environ()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo failed: %v\n%s", err, out)
	}
	if !nextest.Sandboxed() {
		return // the README shows it with sandboxes
	}
	readme, err := os.ReadFile(filepath.Join(nextest.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, session, _ := strings.Cut(string(readme), "\n```console\n")
	session, _, found := strings.Cut(session, "\n```\n")
	if !found {
		t.Fatal("the README has no console session")
	}
	if got, want := normal(string(out)), normal(session); got != want {
		t.Errorf("the session in the README is not what the demo prints:\n--- README\n%s\n--- demo\n%s", want, out)
	}
}

// normal replaces what differs from run to run and from machine to machine.
func normal(session string) string {
	for _, r := range []struct{ pattern, with string }{
		{`\S*/tmp\.\w{10}`, "TMP"},
		{`(127\.0\.0|192\.168\.\d+)\.1:\d+`, "ADDRESS"},
		{`\b[NX][A-Z2-7]{55}\b`, "KEY"},
		{`\b[0-9A-Za-z]{22}\b`, "ID"},
		{`(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(\.\d+)?`, "TIME"},
		{`sha256\.[0-9a-f]{12}`, "DIGEST"},
		{`rtt \S+`, "rtt RTT"},
		{`(Free|Available|Total): [\d,]+`, "$1: KB"},
		{`((?:Uptime|Runtime): |│ )\d+s\b`, "${1}TIME"},
		{`nex\.arch=\w+, nex\.cpucount=\d+`, "nex.arch=ARCH, nex.cpucount=N"},
		{`─+`, "─"},
		{`[ \t]+`, " "},
		{` ?\n(\s*\n)+`, "\n\n"},
	} {
		session = regexp.MustCompile(r.pattern).ReplaceAllString(session, r.with)
	}
	return strings.TrimSpace(sorted(session))
}

// services are the rows of nats micro ls, which come in any order, with a description only if it is
// not that of the row before.
var services = regexp.MustCompile(`(?m)(^│ \w+ │ (1\.0\.0|0\.0\.0\+DIGEST) │ ID │.*\n)+`)

func sorted(session string) string {
	return services.ReplaceAllStringFunc(session, func(rows string) string {
		list := strings.Split(strings.TrimSpace(rows), "\n")
		for i, row := range list {
			list[i] = row[:strings.Index(row, "│ ID │")]
		}
		slices.Sort(list)
		return strings.Join(list, "\n") + "\n"
	})
}

func linkTo(t *testing.T, target, link string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
}
