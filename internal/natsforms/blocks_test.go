package natsforms_test

// This file reads the document.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// document is where the blocks are.
const document = "docs/nats.md"

// fence is a fenced block: its info string and its text.
var fence = regexp.MustCompile("(?ms)^```([^\n`]*)\n(.*?)^```$")

// block returns the text of a block of the document.
func block(t testing.TB, name string) string {
	t.Helper()
	blocks, err := readBlocks()
	must(t, err)
	text, ok := blocks[name]
	if !ok {
		t.Fatalf("%s has no block %s", document, name)
	}
	return text
}

// readBlocks reads the blocks of the document that have a name.
func readBlocks() (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(nextest.Root(), document))
	if err != nil {
		return nil, err
	}
	blocks := make(map[string]string)
	for _, m := range fence.FindAllStringSubmatch(string(content), -1) {
		info := strings.Fields(m[1])
		switch len(info) {
		case 0, 1:
			continue
		case 2:
		default:
			return nil, fmt.Errorf("%s: a block has the info string %q: expected a language and a name", document, m[1])
		}
		name := info[1]
		if _, twice := blocks[name]; twice || name != filepath.Base(name) {
			return nil, fmt.Errorf("%s: there are two blocks %s, or it is no name of a file", document, name)
		}
		blocks[name] = m[2]
	}
	return blocks, nil
}

// TestBlocks holds the document to the tests: what it shows was run.
func TestBlocks(t *testing.T) {
	blocks, err := readBlocks()
	must(t, err)
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	var source strings.Builder
	for _, f := range files {
		content, err := os.ReadFile(f)
		must(t, err)
		source.Write(content)
	}
	for name := range blocks {
		if !strings.Contains(source.String(), fmt.Sprintf("%q", name)) {
			t.Errorf("no test uses block %s of %s", name, document)
		}
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link    = regexp.MustCompile(`\]\(([^()#:]*)(#[^()]*)?\)`)
	strange = regexp.MustCompile(`[^a-z0-9 _-]`) // in an anchor
)

// TestLinks checks that links of the document lead somewhere.
func TestLinks(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(nextest.Root(), document))
	must(t, err)
	text := fence.ReplaceAllString(string(content), "")
	anchors := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strange.ReplaceAllString(strings.ToLower(m[1]), "")
		anchors["#"+strings.ReplaceAll(name, " ", "-")] = true
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		file, anchor := m[1], m[2]
		if file == "" && !anchors[anchor] {
			t.Errorf("%s has a link to %s, which is no heading of it", document, anchor)
		}
		if file != "" {
			_, err := os.Stat(filepath.Join(nextest.Root(), filepath.Dir(document), file))
			must(t, err)
		}
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
