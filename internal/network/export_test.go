//go:build linux

package network

// ParseResolvConf is what the name servers of the machine are read with.
var ParseResolvConf = parseResolvConf

// The parts of following what the kernel tells.
type Events = events

var (
	Watch             = watch
	OpenEvents        = openEvents
	MayNeedForwarding = mayNeedForwarding
)

// Changed is where a watcher tells.
func (w *watcher) Changed() <-chan struct{} { return w.changed }

// Stop ends a watcher.
func (w *watcher) Stop() { w.stop() }

// LockFile is what nodes lock while they start.
const LockFile = lockFile
