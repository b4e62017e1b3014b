package sandboxdir

import (
	"fmt"
	"os"
)

// MakeOutput makes the output of an agent and reads it: log is called with each line, from one goroutine; nil
// discards. The file agent is for the agent's standard output and error; the caller closes it once the agent has
// it, or has not been started, and calls End in both cases. The path is of no use here, where sandboxes end with
// their node.
func MakeOutput(_ string, log func(line string)) (o *Output, agent *os.File, err error) {
	read, agent, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make output of sandbox: %w", err)
	}
	o = &Output{reader: reader{file: read}}
	o.startReading(log)
	return o, agent, nil
}

// wake ends a read that is under way.
func (r *reader) wake() { _ = r.file.Close() }
