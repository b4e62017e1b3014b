//go:build unix

package sandboxdir

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MakeOutput makes the output at path, which must not exist, and reads it: log is called with each line, from
// one goroutine; nil discards. The file agent is for the agent's standard output and error; the caller closes it
// once the agent has it, or has not been started, and calls End in both cases. The FIFO goes with the directory
// of the sandbox.
func MakeOutput(path string, log func(line string)) (o *Output, agent *os.File, err error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, nil, fmt.Errorf("make output of sandbox: %w", &os.PathError{Op: "mkfifo", Path: path, Err: err})
	}
	if agent, err = os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0); err != nil {
		return nil, nil, fmt.Errorf("open output of sandbox: %w", err)
	}
	enlarge(agent)
	if o, err = OpenOutput(path, log); err != nil {
		_ = agent.Close()
		return nil, nil, err
	}
	return o, agent, nil
}

// OpenOutput goes on reading the output of an agent of which an earlier node process has read so far. If nobody
// holds the agent's side there is nothing to read. The caller calls End.
func OpenOutput(path string, log func(line string)) (*Output, error) {
	file, err := openToRead(path)
	if err != nil {
		return nil, fmt.Errorf("open output of sandbox: %w", err)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		_ = file.Close()
		return nil, fmt.Errorf("open output of sandbox: %s is no FIFO", path)
	}
	o := &Output{reader: reader{file, path}}
	o.startReading(log)
	return o, nil
}
