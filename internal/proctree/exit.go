package proctree

import (
	"os"

	nex "github.com/nex-engine/nex"
)

// ExitOf says how a process ended: state is exec.Cmd.ProcessState after Wait. A nil state, of a
// process that could not be waited for, is [UnknownExit].
func ExitOf(state *os.ProcessState) nex.Exit {
	if state == nil {
		return UnknownExit
	}
	if name := signalName(state); name != "" {
		return nex.Exit{Code: -1, Signal: name}
	}
	return nex.Exit{Code: state.ExitCode()}
}
