package render_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

func preflightGroups() []checklist.Group {
	programs := checklist.NewGroup("Programs", "/usr/local/bin", "$PATH")
	programs.Add(
		checklist.Item{Path: "/usr/local/bin/nex-agent", Description: "agent"}.Found(),
		checklist.Item{Path: "nex-other", Description: "another"}.Missing("there is none: get one\nor two"),
		checklist.Item{Path: "/a\x1b[2J/b", Description: "named by\na stranger", Optional: true}.Missing("\x1b]0;title\a\x07 rename it"),
	)
	notes := checklist.NewGroup("Levels")
	notes.Add(checklist.Item{Path: "none", Description: "no isolation"}.Noted("works here, if\nasked for"))
	return []checklist.Group{checklist.NewGroup("User provided files"), programs, notes}
}

const preflightGolden = `Validating - User provided files []
Validating - Programs [/usr/local/bin, $PATH]
✅ Dependency Satisfied - /usr/local/bin/nex-agent [agent]
❌ Dependency Missing - nex-other [another]
   there is none: get one
   or two
⚠️ Optional Dependency Missing - /a/b [named by�a stranger]
   � rename it
Validating - Levels []
ℹ️ Note - none [no isolation]: works here, if�asked for
`

func TestPreflight(t *testing.T) {
	t.Parallel()
	var plain strings.Builder
	if err := render.Preflight(&plain, render.Style{}, preflightGroups()); err != nil {
		t.Fatal(err)
	}
	if got := plain.String(); got != preflightGolden {
		t.Errorf("got\n%s\nwant\n%s", got, preflightGolden)
	}
}

var preflightColors = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Colours are added to the text, and take nothing away from it.
func TestPreflightColor(t *testing.T) {
	t.Parallel()
	var colored strings.Builder
	if err := render.Preflight(&colored, render.Style{Color: true}, preflightGroups()); err != nil {
		t.Fatal(err)
	}
	if got := preflightColors.ReplaceAllString(colored.String(), ""); got != preflightGolden {
		t.Errorf("without its colours it is\n%s\nwant\n%s", got, preflightGolden)
	}
	if n := len(preflightColors.FindAllString(colored.String(), -1)); n != 6 {
		t.Errorf("%d colour changes, want one on and one off for each item", n)
	}
}
