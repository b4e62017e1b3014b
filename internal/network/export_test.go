//go:build linux

package network

import nex "github.com/nex-engine/nex"

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

// ParseKept parses what is kept of a sandbox, and returns whose it is.
func ParseKept(b []byte) (id string, err error) {
	k, err := parseKept(b)
	return k.ID, err
}

// EncodeKept is what is kept of a sandbox.
func EncodeKept(id string, e nex.Egress) []byte {
	b, err := kept{ID: id, Sandbox: e}.encode()
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return b
}
