package process

import (
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// handleVersion is that of the handle. Whoever changes what it means counts it up.
const handleVersion = 1

// handle is what the next node process has to know of a sandbox, besides who its agent is. What was staged is
// told by the files.
type handle struct {
	Limits sandbox.Limits `json:"limits"`
}

// keep writes down what the next node process has to know.
func (i *instance) keep(l sandbox.Limits) error {
	if err := i.record.SetHandle(handleVersion, handle{l}); err != nil {
		return err
	}
	return sandboxdir.WriteRecord(string(i.home), i.record)
}
