package deptest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of failures names the test of each row, and the tests are there.
func TestFailuresHaveTests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "## 7. Failures")
	if !found {
		t.Fatal("ARCHITECTURE.md has no table of failures")
	}
	where := regexp.MustCompile("`([a-z/]+)`|(Test[A-Za-z]+)(?: \\(([a-z]+)\\))?")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || strings.HasPrefix(line, "| fails") || strings.HasPrefix(line, "|--") {
			continue
		}
		rows++
		dir, tests := "", 0
		for _, m := range where.FindAllStringSubmatch(cells[4], -1) {
			if m[1] != "" {
				dir = m[1]
				continue
			}
			tests++
			if !hasTest(t, filepath.Join(root, dir), m[2]) {
				t.Errorf("there is no %s in %s, which shows what happens when %s", m[2], dir, strings.TrimSpace(cells[1]))
			}
			if script := filepath.Join(root, dir, "testdata", "script", m[3]+".txtar"); m[3] != "" {
				if _, err := os.Stat(script); err != nil {
					t.Error(err)
				}
			}
		}
		if tests == 0 {
			t.Errorf("no test shows what happens when %s", strings.TrimSpace(cells[1]))
		}
	}
	if rows < 10 {
		t.Errorf("the table of failures has %d rows", rows)
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "func "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
