package sandboxdir

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/nex-engine/nex/internal/lines"
)

// Output is what an agent prints, read and cut into lines. Where sandboxes outlive their node it goes through a
// FIFO with a name, which the agent's side holds open for reading, too: so it is never closed to the agent, and
// the next node process goes on where the last one stopped ([OpenOutput]).
//
// Nobody reads while there is no node. What is printed then stays in the FIFO, which holds some 64 KiB or more.
// The agent's side does not block: once the FIFO is full a write fails (EAGAIN), as any program that is not
// written in Go takes it, and what was to be written is lost. A program in Go waits in its Write until it is
// read again, unless it writes by way of [lines.Printer], which then drops lines, too.
type Output struct {
	reader
	lines   lines.Writer
	done    chan struct{} // closed once nothing is read any more
	stopped atomic.Bool   // what is still to be read is not wanted
}

// startReading reads in a goroutine until nobody can write any more, or End.
func (o *Output) startReading(log func(line string)) {
	o.lines.Log = log
	o.done = make(chan struct{})
	go func() {
		defer close(o.done)
		_, _ = io.Copy(&o.lines, untilStopped{o}) // after an error there is nothing more to read
		o.lines.Flush()
		_ = o.file.Close()
	}()
}

// End waits until nobody can write to the output any more and all lines were handed on, or for that time. It
// must be called once, after the end of the agent; the log is not called afterwards.
func (o *Output) End(atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C: // somebody who was not found holds it open
		o.stopped.Store(true)
		o.wake()
		<-o.done
	}
}

// untilStopped reads an output. It is no file, so that the copy is one of bytes through our hands.
type untilStopped struct{ *Output }

func (o untilStopped) Read(b []byte) (int, error) {
	if o.stopped.Load() {
		return 0, io.EOF
	}
	return o.file.Read(b)
}

// reader is the side that is read.
type reader struct {
	file *os.File
	path string // empty: it has no name
}
