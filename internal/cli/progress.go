package cli

import (
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// barAbove is the size above which an upload to a terminal shows its progress, in bytes.
const barAbove = 1 << 20

// bar shows the progress of an upload. A bar without tracker shows nothing.
type bar struct {
	writer  progress.Writer
	tracker *progress.Tracker
	ended   chan struct{}
}

// uploadBar starts a bar; the caller ends it with done.
func (s *session) uploadBar(name string, size int64) *bar {
	if size <= barAbove || !isTerminal(s.Err) {
		return &bar{}
	}
	b := &bar{writer: progress.NewWriter(), ended: make(chan struct{})}
	b.tracker = &progress.Tracker{Message: "Uploading " + name, Total: size, Units: progress.UnitsBytes}
	b.writer.SetOutputWriter(s.Err)
	b.writer.SetAutoStop(false)
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetTrackerPosition(progress.PositionRight)
	b.writer.AppendTracker(b.tracker)
	go func() {
		defer close(b.ended)
		b.writer.Render()
	}()
	return b
}

// sent notes how many bytes have gone.
func (b *bar) sent(n int64) {
	if b.tracker != nil {
		b.tracker.SetValue(n)
	}
}

// done ends the bar and waits until it is drawn for the last time.
func (b *bar) done() {
	if b.tracker == nil {
		return
	}
	b.tracker.MarkAsDone()
	b.writer.Stop()
	<-b.ended
}
