package firstboot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/nex-engine/nex/internal/guest"
)

// maxLine is how much of a line is kept back until it ends.
const maxLine = 64 << 10

// initPrefix begins the lines of the init.
const initPrefix = "nex-init: "

// restarts matches what a kernel says at the very end, whatever it was told about saying little.
var restarts = regexp.MustCompile(`^\[ *\d+\.\d+\] reboot: `)

// console passes on what comes by a serial console, but for what the init says.
type console struct {
	to   io.Writer
	line []byte // that has not ended
	exit *guest.Exit
	said string // by the init, when something is wrong
}

// Write takes what comes. It never fails.
func (c *console) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		line, after, ends := bytes.Cut(rest, []byte("\n"))
		c.line, rest = append(c.line, line...), after
		switch {
		case ends:
			c.end("\n")
		case len(c.line) > maxLine:
			c.end("")
		}
	}
	return len(b), nil
}

// flush ends the last line.
func (c *console) flush() {
	if len(c.line) > 0 {
		c.end("\n")
	}
}

// end ends a line. The script need not have ended its last one before the init speaks.
func (c *console) end(with string) {
	line := strings.TrimRight(string(c.line), "\r")
	c.line = c.line[:0]
	if restarts.MatchString(line) {
		return
	}
	if before, text, ok := strings.Cut(line, guest.ScriptEndedLine); ok {
		var e guest.Exit
		if json.Unmarshal([]byte(text), &e) == nil && e.Check() == nil {
			c.exit = &e
			if line = before; line == "" {
				return
			}
		}
	}
	if text, ok := strings.CutPrefix(line, initPrefix); ok {
		c.said = text
		return
	}
	_, _ = io.WriteString(c.to, line+with) // what cannot be shown is lost
}

// hint is for a machine that does not come to run the script.
const hint = "look whether its kernel fits this machine"

// result is how the script ended, after the machine has.
func (c *console) result(ended error) error {
	switch {
	case c.exit == nil && c.said != "":
		return errors.New(c.said)
	case c.exit == nil && ended != nil:
		return fmt.Errorf("the machine for the script has ended with %w: %s", ended, hint)
	case c.exit == nil:
		return errors.New("the machine for the script has ended before it: " + hint)
	case c.exit.OOM:
		return errors.New("the script was killed: it takes more memory than its machine has")
	case c.exit.Signal != "":
		return fmt.Errorf("the script was ended by %s", c.exit.Signal)
	case c.exit.Code != 0:
		return fmt.Errorf("the script ended with exit status %d", c.exit.Code)
	}
	return nil
}
