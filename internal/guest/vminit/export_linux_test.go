package vminit

import (
	"os"
	"time"
)

// IsHost reports whether a connection is the host's.
var IsHost = isHost

// Console is a console.
type Console struct{ c *console }

// NewConsole makes a console that keeps so many bytes.
func NewConsole(file *os.File, most int) Console { return Console{newConsole(file, most)} }

// Print prints a line.
func (c Console) Print(line string) { c.c.print(line) }

// Flush waits until all is written.
func (c Console) Flush(atMost time.Duration) { c.c.flush(atMost) }
