package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell to print the code for: bash, zsh or fish."`
}

// What the shells run; nex itself answers when COMP_LINE is set. @NEX@ is the program.
var completionScripts = map[string]string{
	"bash": `complete -o default -C '@NEX@' nex
`,
	"zsh": `autoload -U +X bashcompinit && bashcompinit
complete -o nospace -o default -C '@NEX@' nex
`,
	"fish": `function __complete_nex
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    '@NEX@'
end
complete -c nex -a "(__complete_nex)"
`,
}

// Help is printed below the flags.
func (*completionCommand) Help() string {
	return `For bash:  nex completion bash > ~/.local/share/bash-completion/completions/nex
For zsh:   nex completion zsh >> ~/.zshrc
For fish:  nex completion fish > ~/.config/fish/completions/nex.fish`
}

// Run prints the code that makes a shell complete nex's commands, flags and values.
func (c *completionCommand) Run(s *session) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if self, err = filepath.Abs(self); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	quoted := strings.ReplaceAll(self, "'", `'\''`)
	_, err = fmt.Fprint(s.Out, strings.ReplaceAll(completionScripts[c.Shell], "@NEX@", quoted))
	return err
}
