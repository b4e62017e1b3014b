// Package hostinfo reads facts about the machine that the node runs on.
package hostinfo

import nex "github.com/nex-engine/nex"

// Memory returns the machine's memory, or nil where this system does not tell it.
func Memory() *nex.MemoryInfo { return memory() }
