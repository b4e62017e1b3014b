package microvm

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/guest"
)

// initPrefix is how the init's own lines on the console begin.
const initPrefix = "nex-init: "

// kernelLine is one of the kernel's, which has the time since its start first.
var kernelLine = regexp.MustCompile(`^(?:<\d>)?\[ *\d+\.\d{6}\] `)

// console sorts what comes by a serial console: the agent's lines, the init's, and the kernel's.
type console struct {
	agent func(line string) // nil discards
	// ended is told how the agent ended, as the init says on the console for a node that is not there.
	ended func(guest.Exit)
	other func(line string)

	mu     sync.Mutex
	init   string // its last line
	kernel string // its first line of those that matter
}

// line is called with each line.
func (c *console) line(line string) {
	// The agent need not have ended its last line.
	if before, text, ok := strings.Cut(line, guest.EndedLine); ok {
		var e guest.Exit
		if json.Unmarshal([]byte(text), &e) == nil && e.Check() == nil {
			c.ended(e)
			if line = before; line == "" {
				return
			}
		}
	}
	if c.isOther(line) {
		c.other(line)
	} else if c.agent != nil {
		c.agent(line)
	}
}

// isOther reports whether a line is not the agent's, and keeps it if it may be the one that matters.
func (c *console) isOther(line string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(line, guest.DroppedLine) {
		return false // it is where lines of the agent should be
	}
	if strings.HasPrefix(line, initPrefix) {
		c.init = line
		return true
	}
	time := kernelLine.FindString(line)
	if text := line[len(time):]; time != "" && c.kernel == "" && !strings.HasPrefix(text, "reboot: ") {
		c.kernel = text
	}
	return time != ""
}

// lastWords is what the init, or else the kernel, has said of why the machine ends; empty if they have said nothing.
func (c *console) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.init != "" {
		return c.init
	}
	return c.kernel
}
