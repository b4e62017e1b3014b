package node

import (
	"context"
	"log/slog"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/control"
)

// teeHandler publishes what the node logs on its log subjects, besides handing it on.
type teeHandler struct {
	slog.Handler
	publisher *control.Publisher
	node      string
	attrs     []slog.Attr
}

// Handle implements slog.Handler.
func (h *teeHandler) Handle(ctx context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		text.WriteString(" " + a.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	stream := nex.StreamStdout
	if r.Level >= slog.LevelWarn {
		stream = nex.StreamStderr
	}
	h.publisher.NodeLog(stream, nex.LogRecord{Text: text.String(), Level: int(r.Level), ID: h.node, Stream: stream, Time: r.Time.UTC()})
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithAttrs(attrs)
	c.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return &c
}

// WithGroup implements slog.Handler. Groups do not show in what is published.
func (h *teeHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	return &c
}
