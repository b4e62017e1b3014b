package render

import (
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// Nodes prints a table of nodes.
func Nodes(w io.Writer, s Style, nodes []nex.PingResponse) error {
	t := newTable("NATS Execution Nodes", "ID", "Version", "Uptime", "Workloads", "Sandbox", "Lame Duck")
	for _, n := range nodes {
		t.AppendRow(table.Row{
			Text(n.NodeID), Text(n.Version), Text(n.Uptime), n.RunningMachines,
			s.sandbox(n.Tags[nex.TagSandbox]), yesNo(n.Tags[nex.TagLameDuck] == "true"),
		})
	}
	return print(w, t)
}

// Bids prints which nodes would take a workload, and why others would not, a reason a line.
func Bids(w io.Writer, s Style, answers []nex.AuctionResponse) error {
	t := newTable("Auction", "ID", "Bid", "Sandbox", "Workloads", "Reasons")
	for _, a := range answers {
		bid := s.paint(text.FgGreen, "yes")
		if !a.Bids() {
			bid = s.paint(text.FgRed, "no")
		}
		t.AppendRow(table.Row{Text(a.NodeID), bid, s.sandbox(a.Tags[nex.TagSandbox]), a.RunningMachines, strings.Join(texts(a.Reasons), "\n")})
	}
	return print(w, t)
}

func texts(list []string) []string {
	clean := make([]string, len(list))
	for i, t := range list {
		clean[i] = Text(t)
	}
	return clean
}
