package proctree

import nex "github.com/nex-engine/nex"

// Watch tells of the end of a process that need not be a child of this one: the channel is closed when it has
// ended. The caller calls release when it does not want to know any more, and in any case; the channel then stays
// as it is. The error is [ErrNotFound] if that very process does not run.
func Watch(id Identity) (ended <-chan struct{}, release func(), err error) {
	w, err := watch(id)
	if err != nil {
		return nil, nil, err
	}
	return w.ended, w.release, nil
}

// watcher watches one process.
type watcher struct {
	ended   <-chan struct{}
	release func()
	// exit says how the process has ended, as far as the system tells.
	exit func() nex.Exit
}

// UnknownExit is how a process has ended of which nobody knows it.
var UnknownExit = nex.Exit{Code: -1}

func nobodyKnows() nex.Exit { return UnknownExit }
