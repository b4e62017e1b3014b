package qemu

import (
	"context"
)

// ParseMessage is what the monitor does with each line.
func ParseMessage(line []byte) error {
	_, err := parseMessage(line)
	return err
}

// Run has the machine of a directory carry out a command.
func Run(ctx context.Context, dir, command string) error {
	m, err := openMonitor(ctx, dir)
	if err != nil {
		return err
	}
	defer m.close()
	return m.run(ctx, command, nil)
}

// MonitorSocket is the name of the socket of the monitor.
const MonitorSocket = monitorSocket

// TSCKHz measures the time stamp counter.
var TSCKHz = tscKHz
