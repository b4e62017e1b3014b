package cli

import (
	_ "embed" // for the scripts
	"fmt"
	"io"
	"os"
	"strings"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell to print the code for: bash, zsh or fish."`
}

// What the shells run. Each asks nex, by the path that stands for @NEX@, and falls back on files.
var (
	//go:embed completion/nex.bash
	bashCompletion string
	//go:embed completion/nex.zsh
	zshCompletion string
	//go:embed completion/nex.fish
	fishCompletion string
)

// Run prints the code that makes a shell complete nex's commands, flags and values.
func (c *completionCommand) Run(s *session) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err = io.WriteString(s.Out, strings.ReplaceAll(script, "@NEX@", quote(self)))
	return err
}

// quote makes one word of a path, in all three shells.
func quote(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
