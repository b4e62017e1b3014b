package nextest

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const gvisorModule = "gvisor.dev/gvisor"

// BuildRunsc makes runsc in dir, at the version in tools/go.mod: a link to the one that make has built if
// it is of that version, or else a new one, which takes minutes.
func BuildRunsc(dir string) error {
	program, err := filepath.Abs(filepath.Join(dir, "runsc"))
	if err != nil {
		return err
	}
	tools := filepath.Join(Root(), "tools")
	list := exec.Command("go", "list", "-m", "-f", "{{.Version}}", gvisorModule)
	list.Dir = tools
	version, err := list.Output()
	if err != nil {
		return fmt.Errorf("find out the version of %s: %w", gvisorModule, err)
	}
	built := filepath.Join(Root(), "bin", "runsc")
	if versionIn(built) == strings.TrimSpace(string(version)) {
		return os.Symlink(built, program)
	}
	return goTool(tools, []string{"CGO_ENABLED=0"}, "build", "-trimpath", "-buildvcs=false", "-o", program, gvisorModule+"/runsc")
}

// versionIn is the version of gVisor that a program was built from; empty if it was not, or is not there.
func versionIn(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == gvisorModule && m.Replace == nil {
			return m.Version
		}
	}
	return ""
}
