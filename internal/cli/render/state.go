package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/nex-engine/nex/internal/state"
)

// StateList is what a node knows of its workloads, in JSON.
type StateList struct {
	Workloads []state.Entry   `json:"workloads"`
	Damaged   []state.Damaged `json:"damaged"`
}

// State prints a table of the workloads that a node knows, with what is damaged at its end.
func State(w io.Writer, s Style, entries []state.Entry, damaged []state.Damaged) error {
	t := newTable("Workloads Kept", "ID", "Namespace", "Name", "Type", "Restart", "State", "Since", "Agent")
	for _, e := range entries {
		since := e.Accepted
		if !e.Started.IsZero() {
			since = e.Started
		}
		t.AppendRow(table.Row{
			Text(e.ID), Text(e.Namespace), Text(e.Name), Text(string(e.Type)), Text(string(e.Restart)), Text(string(e.State)),
			stamp(since), Text(e.AgentID),
		})
	}
	for _, d := range damaged {
		t.AppendRow(table.Row{Text(d.ID), "", "", "", "", s.paint(text.FgRed, "damaged"), "", ""})
	}
	return print(w, t)
}

// StateReport is what a repair has done, in JSON: what is damaged is all that there is, moved away now
// or before.
type StateReport struct {
	state.Report
	Removed []string `json:"removed"` // files that were damaged
}

// Repair prints what a repair has done, a line each.
func Repair(w io.Writer, r StateReport) error {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(Text(fmt.Sprintf(format, args...)) + "\n") }
	for _, d := range r.Restored {
		line("Restored workload %s as it was before its last change: %s", d.ID, d.Reason)
	}
	for _, path := range r.Leftovers {
		line("Removed what an interrupted write has left: %s", path)
	}
	for _, path := range r.Removed {
		line("Removed what was damaged: %s", path)
	}
	for _, d := range r.Damaged {
		line("Damaged: %s: %s", d.File, d.Reason)
	}
	line("Workloads that can be used: %d", r.Whole)
	_, err := io.WriteString(w, b.String())
	return err
}
