// Package render prints what the node and the client return, for people. It knows no NATS. Colour
// only repeats what the text says.
package render

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// Style is how to print.
type Style struct {
	// Color allows terminal colours.
	Color bool
}

func (s Style) paint(c text.Color, t string) string {
	if !s.Color {
		return t
	}
	return c.Sprint(t)
}

// newTable makes a table as the nats command prints them.
func newTable(title string, columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Title.Align = text.AlignCenter
	t.Style().Format.Header = text.FormatDefault
	t.SetTitle(title)
	t.AppendHeader(table.Row(columns))
	return t
}

func print(w io.Writer, t table.Writer) error {
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// Nodes prints a table of nodes.
func Nodes(w io.Writer, s Style, nodes []nex.PingResponse) error {
	t := newTable("NATS Execution Nodes", "ID", "Version", "Uptime", "Workloads", "Sandbox", "Lame Duck")
	for _, n := range nodes {
		t.AppendRow(table.Row{n.NodeID, n.Version, n.Uptime, n.RunningMachines, s.sandbox(n.Tags[nex.TagSandbox]), yesNo(n.Tags[nex.TagLameDuck] == "true")})
	}
	return print(w, t)
}

// Bids prints which nodes would take a workload, and why others would not.
func Bids(w io.Writer, s Style, answers []nex.AuctionResponse) error {
	t := newTable("Auction", "ID", "Bid", "Sandbox", "Workloads", "Reasons")
	for _, a := range answers {
		bid := s.paint(text.FgGreen, "yes")
		if !a.Bids() {
			bid = s.paint(text.FgRed, "no")
		}
		t.AppendRow(table.Row{a.NodeID, bid, s.sandbox(a.Tags[nex.TagSandbox]), a.RunningMachines, strings.Join(a.Reasons, "; ")})
	}
	return print(w, t)
}

func (s Style) sandbox(level string) string {
	if level == string(nex.SandboxNone) {
		return s.paint(text.FgYellow, level)
	}
	return level
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// NodeInfo prints a node and its workloads.
func NodeInfo(w io.Writer, s Style, id string, info nex.InfoResponse) error {
	p := &page{}
	p.heading("NEX Node Information")
	p.field("Node", id)
	p.field("Xkey", info.PublicXkey)
	p.field("Version", info.Version)
	p.field("Uptime", info.Uptime)
	p.field("Tags", tags(info.Tags))
	if m := info.Memory; m != nil {
		p.heading("Memory in kB:")
		p.field("Free", thousands(m.Free))
		p.field("Available", thousands(m.Available))
		p.field("Total", thousands(m.Total))
	}
	if len(info.Machines) > 0 {
		p.heading("Workloads:")
	}
	for i, m := range info.Machines {
		if i > 0 {
			p.gap()
		}
		p.machine(s, m)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *page) machine(s Style, m nex.MachineInfo) {
	p.field("Id", m.ID)
	healthy := s.paint(text.FgGreen, "true")
	if !m.Healthy {
		healthy = s.paint(text.FgRed, "false")
	}
	p.field("Healthy", healthy)
	p.field("State", string(m.State))
	p.field("Runtime", m.Workload.Runtime)
	p.field("Name", m.Workload.Name)
	p.field("Description", m.Workload.Description)
	p.field("Type", string(m.Workload.Type))
	p.field("Sandbox", string(m.Sandbox))
	if m.Restarts > 0 {
		p.field("Restarts", strconv.Itoa(m.Restarts))
	}
	if !m.Healthy || m.Restarts > 0 {
		p.field("Reason", m.Reason)
	}
	p.field("Triggers", strings.Join(m.Triggers, ", "))
}

// page is text in fields, whose names end in one column, under headings.
type page struct{ strings.Builder }

// nameWidth is the column in which names end.
const nameWidth = 13

func (p *page) heading(t string) {
	if p.Len() > 0 {
		p.gap()
	}
	p.WriteString(t + "\n\n")
}

func (p *page) gap() { p.WriteString("\n") }

// field adds a line; one without value is left out.
func (p *page) field(name, value string) {
	if value != "" {
		fmt.Fprintf(p, "%*s: %s\n", nameWidth, name, value)
	}
}

func tags(m map[string]string) string {
	list := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return strings.Join(list, ", ")
}

// thousands prints 1234567 as 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// LogLine prints one line of a log.
func LogLine(w io.Writer, s Style, namespace, workload string, r nex.LogRecord) error {
	who := workload
	if who == "" {
		who = namespace + "/node"
	}
	level := slog.Level(r.Level)
	color := text.FgHiBlack
	switch {
	case level >= slog.LevelError:
		color = text.FgRed
	case level >= slog.LevelWarn:
		color = text.FgYellow
	}
	_, err := fmt.Fprintf(w, "%s %s [%s] %s\n", r.Time.Local().Format("15:04:05.000"), s.paint(color, fmt.Sprintf("%-5s", level)), who, printable(r.Text))
	return err
}

// printable takes away what a program could do to a terminal.
func printable(t string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\t') || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '�'
		}
		return r
	}, t)
}

// Event prints one event.
func Event(w io.Writer, s Style, e nex.Event) error {
	_, err := fmt.Fprintf(w, "%s %-22s %-10s %s\n", e.Time.Local().Format("15:04:05.000"), s.paint(text.FgCyan, string(e.Type)), e.Namespace, describe(e))
	return err
}

// describe says in one line what an event says.
func describe(e nex.Event) string {
	if c, err := e.StateChange(); err == nil {
		from := string(c.From)
		if from == "" {
			from = "new"
		}
		return fmt.Sprintf("%s %s: %s → %s: %s", c.Name, c.ID, from, c.To, printable(c.Reason))
	}
	return printable(string(e.Data))
}
