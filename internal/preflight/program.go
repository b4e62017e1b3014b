package preflight

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

const agentName = "nex-agent"

// Programs checks the programs that a node starts at any level of sandbox. The binPath is that of
// the configuration.
func Programs(ctx context.Context, binPath []string) checklist.Group {
	g := checklist.NewGroup("Programs", searched(binPath)...)
	g.Add(agent(ctx, binPath))
	return g
}

func agent(ctx context.Context, binPath []string) checklist.Item {
	item := checklist.Item{Name: agentName, Path: agentName, Description: "agent that runs a workload, of version " + nex.Version}
	path, err := binpath.Find(agentName, binPath)
	if err != nil {
		if path := lacksPermission(agentName, binPath); path != "" {
			item.Path = path
			return item.Missing(fmt.Sprintf("it may not be executed: chmod +x %s", path))
		}
		return item.Missing(err.Error())
	}
	item.Path = path
	version, err := versionOf(ctx, path)
	switch {
	case err != nil:
		return item.Missing(fmt.Sprintf("it does not tell its version (%v): replace it with the %s that came with this nex", err, agentName))
	case version != nex.Version:
		return item.Missing(fmt.Sprintf("its version is %q: replace it with the %s that came with this nex, which is %s", version, agentName, nex.Version))
	}
	return item.Found()
}

// pathVariable stands for the folders in $PATH.
const pathVariable = "$PATH"

// searched are the places that programs are looked for in.
func searched(binPath []string) []string {
	if len(binPath) > 0 {
		return binPath
	}
	self, err := os.Executable()
	if err != nil {
		return []string{pathVariable}
	}
	return []string{filepath.Dir(self), pathVariable}
}

// lacksPermission finds a file that would be the program if it could be executed. It returns "" if
// there is none.
func lacksPermission(name string, binPath []string) string {
	if runtime.GOOS == "windows" {
		return "" // where the name decides
	}
	for _, dir := range searched(binPath) {
		dirs := []string{dir}
		if dir == pathVariable {
			dirs = filepath.SplitList(os.Getenv("PATH"))
		}
		for _, dir := range dirs {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
	}
	return ""
}

const (
	versionTimeout = 10 * time.Second
	// versionBytes bounds what is read of a program that may be something else altogether.
	versionBytes = 256
)

// versionOf asks a program for its version, which is the first line that it prints.
func versionOf(ctx context.Context, path string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, versionTimeout)
	defer stop()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second // for what it may have started in turn
	out := &head{left: versionBytes}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", err
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return strings.TrimSpace(line), nil
}

// head keeps the first bytes that are written to it, and takes all others without an error, which
// would end the writer.
type head struct {
	bytes.Buffer
	left int
}

var _ io.Writer = (*head)(nil)

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	kept, _ := h.Buffer.Write(p[:min(len(p), h.left)])
	h.left -= kept
	return len(p), nil
}
