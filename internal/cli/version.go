package cli

import (
	"fmt"
	"runtime"

	nex "github.com/nex-engine/nex"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version.
func (c *versionCommand) Run(s *session) error {
	if c.JSON {
		return s.printJSON(map[string]string{"version": nex.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintln(s.Out, nex.Version)
	return err
}
