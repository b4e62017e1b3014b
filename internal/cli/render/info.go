package render

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// NodeInfo prints a node and its workloads.
func NodeInfo(w io.Writer, s Style, id string, info nex.InfoResponse) error {
	p := &page{}
	p.heading("NEX Node Information")
	p.field("Node", Text(id))
	p.field("Xkey", Text(info.PublicXkey))
	p.field("Version", Text(info.Version))
	p.field("Uptime", Text(info.Uptime))
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

// machine begins with the fields that every version shows.
func (p *page) machine(s Style, m nex.MachineInfo) {
	p.field("Id", Text(m.ID))
	healthy := s.paint(text.FgGreen, "true")
	if !m.Healthy {
		healthy = s.paint(text.FgRed, "false")
	}
	p.field("Healthy", healthy)
	p.field("Runtime", Text(m.Workload.Runtime))
	p.field("Name", Text(m.Workload.Name))
	p.field("Description", Text(m.Workload.Description))
	p.field("Type", Text(string(m.Workload.Type)))
	p.field("State", Text(string(m.State)))
	p.field("Sandbox", s.sandbox(string(m.Sandbox)))
	if m.Limits != nil {
		p.field("Limits", limits(*m.Limits))
	}
	if !m.Workload.Type.Function() { // they are always started again
		p.field("Restart", Text(string(m.Workload.Restart)))
	}
	if m.Restarts > 0 {
		p.field("Restarts", strconv.Itoa(m.Restarts))
	}
	if !m.Healthy || m.Restarts > 0 {
		p.field("Reason", Text(m.Reason))
	}
	p.field("Triggers", strings.Join(texts(m.Triggers), ", "))
	if m.Calls != nil {
		p.calls(*m.Calls)
	}
}

// limits are those that there are.
func limits(l nex.Limits) string {
	var list []string
	if l.MemoryMiB > 0 {
		list = append(list, Bytes(int64(l.MemoryMiB)<<20)+" memory")
	}
	if l.CPUs > 0 {
		list = append(list, counted(l.CPUs, "processor"))
	}
	if l.PIDs > 0 {
		list = append(list, thousands(l.PIDs)+" processes and threads")
	}
	if l.OpenFiles > 0 {
		list = append(list, thousands(l.OpenFiles)+" open files")
	}
	if l.DiskMiB > 0 {
		list = append(list, Bytes(int64(l.DiskMiB)<<20)+" disk")
	}
	return strings.Join(list, ", ")
}

func counted(n float64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + " " + what
}

// calls is how a function does.
func (p *page) calls(c nex.CallStats) {
	p.field("Calls", thousands(c.Total))
	failed := thousands(c.Errors)
	if c.Refused > 0 {
		failed += fmt.Sprintf(", %s of them refused because too many waited", thousands(c.Refused))
	}
	p.field("Errors", failed)
	if c.InFlight > 0 {
		p.field("In Flight", thousands(c.InFlight))
	}
	if c.P50Nanos > 0 {
		p.field("Latency", fmt.Sprintf("%s (p50), %s (p99)", roughly(time.Duration(c.P50Nanos)), roughly(time.Duration(c.P99Nanos))))
	}
	if c.MemoryBytes > 0 {
		p.field("Memory", Bytes(c.MemoryBytes))
	}
}

// page is text in fields, whose names end in one column, under headings.
type page struct{ strings.Builder }

// nameWidth is the column in which names end: the longest is Description.
const nameWidth = 13

func (p *page) heading(t string) {
	if p.Len() > 0 {
		p.gap()
	}
	p.WriteString(t + "\n\n")
}

func (p *page) gap() { p.WriteString("\n") }

// field adds a line, of a value that is clean; one without value is left out.
func (p *page) field(name, value string) {
	if value != "" {
		fmt.Fprintf(p, "%*s: %s\n", nameWidth, name, value)
	}
}

func tags(m map[string]string) string {
	list := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, Text(k+"="+m[k]))
	}
	return strings.Join(list, ", ")
}
