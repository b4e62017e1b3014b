package agentlink

import "path/filepath"

// WakeName is a FIFO in the directory of an agent's link, where there are such. A node process that lets an agent
// in again writes a byte to it, which means that it is worth a try to come back now, and nothing else: who the node
// is shows in the hello. Agents only read it, and come back without it, too, a little later.
const WakeName = "wake"

func wakePath(dir string) string { return filepath.Join(dir, WakeName) }
