package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/cli/render"
)

// session is what every command works with.
type session struct {
	*Globals
	Streams
}

// withClient connects, calls f, and closes the connection.
func (s *session) withClient(ctx context.Context, f func(*client.Client) error) error {
	nc, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	place, err := s.discovered().JetStreamPlace()
	if err != nil {
		return err
	}
	return f(client.New(nc, client.Config{
		Namespace: s.Namespace, Timeout: s.Timeout, JSDomain: place.Domain, JSAPIPrefix: place.APIPrefix,
	}))
}

// style is how to print to standard output.
func (s *session) style() render.Style {
	return render.Style{Color: isTerminal(s.Out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// printJSON prints v as one indented document.
func (s *session) printJSON(v any) error {
	return render.JSON(s.Out, v)
}

// print prints a line of text, which may be of what a node said.
func (s *session) print(format string, args ...any) error {
	_, err := io.WriteString(s.Out, render.Text(fmt.Sprintf(format, args...))+"\n")
	return err
}

// say tells something that is not data.
func (s *session) say(format string, args ...any) {
	fmt.Fprintln(s.Err, render.Text(fmt.Sprintf(format, args...)))
}

// logger logs to standard error.
func (s *session) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the parser lets only levels through
	options := &slog.HandlerOptions{Level: level}
	if s.LogJSON {
		return slog.New(slog.NewJSONHandler(s.Err, options))
	}
	return slog.New(slog.NewTextHandler(s.Err, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
