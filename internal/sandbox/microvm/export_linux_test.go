package microvm

import (
	"github.com/nex-engine/nex/internal/guest"
)

// Sorted is what came by a console.
type Sorted struct {
	Agent []string
	Ended []guest.Exit
	Last  string
}

// Sort gives lines to a console.
func Sort(lines ...string) Sorted {
	var s Sorted
	c := console{
		agent: func(line string) { s.Agent = append(s.Agent, line) },
		ended: func(e guest.Exit) { s.Ended = append(s.Ended, e) },
		other: func(string) {},
	}
	for _, l := range lines {
		c.line(l)
	}
	s.Last = c.lastWords()
	return s
}

// KeepComplaints gives a line, so many times, and another to what is kept of complaints, and returns what that is.
func KeepComplaints(line string, times int, last string) string {
	var c complaints
	for range times {
		c.line(line)
	}
	c.line(last)
	return string(c.text())
}

// Checks of the beginnings of files.
var (
	IsKernel = isKernel
	IsExt4   = isExt4
)
