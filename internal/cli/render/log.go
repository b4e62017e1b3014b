package render

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// LogLine prints one line of a log: a workload's, or without workload a node's.
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
	_, err := fmt.Fprintf(w, "%s %s [%s] %s\n", stamp(r.Time), s.paint(color, fmt.Sprintf("%-5s", level)), Text(who), printable(r.Text))
	return err
}
