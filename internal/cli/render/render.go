// Package render prints what the node and the client return, for people. It knows no NATS. Colour
// only repeats what the text says, and nothing that came from outside reaches the terminal but as
// text: see [Text].
package render

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	nex "github.com/nex-engine/nex"
)

// Style is how to print.
type Style struct {
	// Color allows terminal colours.
	Color bool
}

// paint colours a text that is clean already. It asks nobody but the style: the library's own way
// also looks at the environment.
func (s Style) paint(c text.Color, t string) string {
	if !s.Color || t == "" {
		return t
	}
	return c.EscapeSeq() + t + text.EscapeReset
}

// sandbox warns of workloads that are not isolated.
func (s Style) sandbox(level string) string {
	if level == string(nex.SandboxNone) {
		return s.paint(text.FgYellow, level)
	}
	return Text(level)
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

// timeFormat has the date: lines that a node keeps can be days old.
const timeFormat = "2006-01-02 15:04:05.000"

// stamp prints a time as the user's clock shows it. Version 1 nodes send log lines without one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "---------- --:--:--.---"
	}
	return t.Local().Format(timeFormat)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// thousands prints 1234567 as 1,234,567.
func thousands[N int | uint64](n N) string {
	digits := fmt.Sprint(n)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(digits) - 3; i > first; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Bytes prints a number of bytes in the unit that people would choose: 812 B, 3.4 KiB, 45 MiB.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	amount := float64(n) / (1 << 10)
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	for amount >= 1023.5 && len(units) > 1 {
		amount, units = amount/(1<<10), units[1:]
	}
	if amount < 9.95 {
		return fmt.Sprintf("%.1f %s", amount, units[0])
	}
	return fmt.Sprintf("%.0f %s", amount, units[0])
}

// roughly rounds a duration to three digits, which is what can be read, and more than was measured.
func roughly(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 || d/unit <= -1000 {
		unit *= 10
	}
	return d.Round(unit)
}
