package rootfs

import (
	"fmt"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/program"
)

// checkProgram refuses a file that would not run in a sandbox.
func checkProgram(what, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("the %s %s is no file: name the program nex-%s", what, path, what)
	}
	is, err := program.Inspect(f, info.Size())
	target := "linux/" + runtime.GOARCH
	switch {
	case err != nil:
		return fmt.Errorf("the %s %s cannot be read as a program: %w", what, path, err)
	case is.Format != program.FormatELF && is.Format != program.FormatMachO && is.Format != program.FormatPE || is.Library != "":
		return fmt.Errorf("the %s %s is no program: name nex-%s, built for %s", what, path, what, target)
	case is.OS != "linux" || !is.RunsOn(runtime.GOARCH):
		return fmt.Errorf("the %s %s is a program for %s/%s: name nex-%s, built for %s", what, path, is.OS, is.Arch, what, target)
	case !is.Static:
		return fmt.Errorf("the %s %s is dynamically linked, and there may be no libraries where it runs: name a static nex-%s, as the releases have it", what, path, what)
	}
	return nil
}
