package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// Preflight prints what a preflight check found. What is not there is followed by what to do.
func Preflight(w io.Writer, s Style, groups []checklist.Group) error {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "Validating - %s [%s]\n", g.Title, Text(strings.Join(g.Dirs, ", ")))
		for _, i := range g.Items {
			fmt.Fprintf(&b, "%s - %s [%s]", s.finding(i), Text(i.Path), Text(i.Description))
			if i.Note {
				fmt.Fprintf(&b, ": %s\n", Text(i.Do))
				continue
			}
			b.WriteString("\n")
			for line := range strings.Lines(i.Do) {
				fmt.Fprintf(&b, "   %s\n", Text(strings.TrimRight(line, "\n")))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Style) finding(i checklist.Item) string {
	switch {
	case i.Note:
		return "ℹ️ Note"
	case i.OK:
		return "✅ " + s.paint(text.FgGreen, "Dependency Satisfied")
	case i.Optional:
		return "⚠️ " + s.paint(text.FgYellow, "Optional Dependency Missing")
	}
	return "❌ " + s.paint(text.FgRed, "Dependency Missing")
}
