package cli

import (
	"context"
	"log/slog"
	"slices"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/cli/render"
)

// watchFlags are what logs and events have in common.
type watchFlags struct {
	Node     string `help:"Print only what comes from this node." placeholder:"ID"`
	Workload string `help:"Print only what is about the workload with this id or name." placeholder:"ID|NAME"`
	All      bool   `short:"a" help:"Print what comes from all namespaces, the nodes' own included."`
	JSON     bool   `name:"json" help:"Print one JSON object a line."`
}

func (f watchFlags) namespace(s *session) string {
	if f.All {
		return ""
	}
	return s.Namespace
}

type logsCommand struct {
	watchFlags
	Level    string `help:"Least level to print: debug, info, warn or error." enum:"debug,info,warn,error" default:"debug" placeholder:"LEVEL"`
	Lines    int    `short:"n" help:"How many of the lines that the nodes keep to print first." default:"100" placeholder:"N"`
	NoFollow bool   `help:"End after the lines that the nodes keep."`
}

// logLine is a log line as --json prints it.
type logLine struct {
	Namespace string `json:"namespace"`
	Node      string `json:"node_id"`
	Workload  string `json:"workload,omitempty"`
	nex.LogRecord
}

// Run prints the lines that the nodes keep, then those that come.
func (c *logsCommand) Run(ctx context.Context, s *session) error {
	if c.Lines < 0 || c.Lines > nex.MaxLogLines {
		return usagef("--lines must be between 0 and %d", nex.MaxLogLines)
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // the parser lets only levels through
	print := func(l logLine) error {
		if l.Level < int(level) {
			return nil
		}
		if c.JSON {
			return render.JSONLine(s.Out, l)
		}
		return render.LogLine(s.Out, s.style(), l.Namespace, l.Workload, l.LogRecord)
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		if c.NoFollow {
			_, err := c.kept(ctx, s, cl, print)
			return err
		}
		return c.follow(ctx, s, cl, print)
	})
}

// follow listens first and then asks for what is kept, so that no line is missed in between; lines
// that come both ways are printed once.
func (c *logsCommand) follow(ctx context.Context, s *session, cl *client.Client, print func(logLine) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	var newest map[string]time.Time
	ready := func() {
		var err error
		if newest, err = c.kept(ctx, s, cl, print); err != nil {
			cancel(err)
		}
	}
	filter := client.LogFilter{Namespace: c.namespace(s), Node: c.Node, Workload: c.Workload}
	err := cl.FollowLogs(ctx, filter, ready, func(from nex.LogSource, r nex.LogRecord) {
		if !r.Time.IsZero() && !r.Time.After(newest[r.ID]) {
			return
		}
		if err := print(logLine{Namespace: from.Namespace, Node: from.Node, Workload: from.Workload, LogRecord: r}); err != nil {
			cancel(err)
		}
	})
	return watched(outer, ctx, err)
}

// watched is the failure that ended watching: err, or what inner was cancelled with. That outer has
// ended is none: it is how a user ends it.
func watched(outer, inner context.Context, err error) error {
	if err == nil && outer.Err() == nil && inner.Err() != nil {
		return context.Cause(inner)
	}
	return err
}

// kept prints the lines that the nodes keep and returns the time of the newest line of each workload.
func (c *logsCommand) kept(ctx context.Context, s *session, cl *client.Client, print func(logLine) error) (map[string]time.Time, error) {
	newest := map[string]time.Time{}
	if c.Lines == 0 || c.All { // the nodes answer for one namespace
		return newest, nil
	}
	nodes, err := discoverIDs(ctx, cl, c.Node)
	if err != nil {
		return nil, err
	}
	var lines []logLine
	for _, node := range nodes {
		kept, err := cl.Logs(ctx, node, nex.LogsRequest{Workload: c.Workload, Lines: c.Lines})
		if err != nil {
			return nil, err
		}
		for _, l := range kept {
			lines = append(lines, logLine{Namespace: s.Namespace, Node: node, Workload: l.Workload, LogRecord: l.LogRecord})
		}
	}
	slices.SortStableFunc(lines, func(a, b logLine) int { return a.Time.Compare(b.Time) })
	for _, l := range lines[max(0, len(lines)-c.Lines):] {
		newest[l.ID] = l.Time
		if err := print(l); err != nil {
			return nil, err
		}
	}
	return newest, nil
}

type eventsCommand struct {
	watchFlags
	Type string `help:"Print only events of this type, such as workload_state." placeholder:"TYPE"`
}

// Run prints events until it is interrupted.
func (c *eventsCommand) Run(ctx context.Context, s *session) error {
	if c.Type != "" && nex.CheckName(c.Type) != nil {
		return usagef("--type %q is no event type: see docs/protocol.md for those there are", c.Type)
	}
	return s.withClient(ctx, func(cl *client.Client) error {
		outer := ctx
		ctx, cancel := context.WithCancelCause(outer)
		defer cancel(nil)
		filter := client.EventFilter{Namespace: c.namespace(s), Type: nex.EventType(c.Type), Node: c.Node, Workload: c.Workload}
		listening := func() { s.say("Listening for events; end with Ctrl-C") }
		err := cl.WatchEvents(ctx, filter, listening, func(e nex.Event) {
			var err error
			if c.JSON {
				err = render.JSONLine(s.Out, e)
			} else {
				err = render.Event(s.Out, s.style(), e)
			}
			if err != nil {
				cancel(err)
			}
		})
		return watched(outer, ctx, err)
	})
}
