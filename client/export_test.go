package client

import nex "github.com/nex-engine/nex"

// Bounds of what is remembered.
const (
	RememberedLines = rememberedLines
	RememberedRuns  = rememberedRuns
)

// NewSeenLines returns what reports whether a line was not seen before.
func NewSeenLines() func(nex.LogRecord) bool { return newSeenLines().first }
