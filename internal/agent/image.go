package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agent/runas"
	"github.com/nex-engine/nex/internal/agentlink"
)

// runsImages reports whether this agent's root can be that of an image: only then it has a user for
// programs besides its own.
func (a *agent) runsImages() bool { return a.cfg.User != nil }

// imageCommand makes the command of an image, and says as whom it runs. Env is its environment.
func (a *agent) imageCommand(d agentlink.Deploy, env []string) (*exec.Cmd, *runas.User, error) {
	refused := func(format string, args ...any) (*exec.Cmd, *runas.User, error) {
		return nil, nil, nex.Errorf(nex.CodeStartFailed, "workload %s could not be started: %s", d.Name, fmt.Sprintf(format, args...))
	}
	i := d.Image
	if i == nil || len(i.Command) == 0 {
		return refused("its image names no command")
	}
	if int(i.UID) == os.Getuid() {
		return refused("its image runs as user %d, who is the agent: choose another user", i.UID)
	}
	program, err := lookIn(env, i.Command[0])
	if err != nil {
		return refused("%v", err)
	}
	cmd := &exec.Cmd{Path: program, Args: i.Command, Env: env, Dir: i.Dir}
	return cmd, &runas.User{UID: i.UID, GID: i.GID, Groups: i.Groups}, nil
}

// lookIn finds a program in the PATH of an environment, unless it is named by its path.
func lookIn(env []string, program string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	dirs := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			dirs = value
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		if program == "" || !path.IsAbs(dir) {
			continue
		}
		file := path.Join(dir, program)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("its image has no program %q in its PATH, %q", program, dirs)
}

// imageEnvironment are the variables of an image by their names.
func imageEnvironment(i *agentlink.Image) map[string]string {
	env := map[string]string{}
	if i == nil {
		return env
	}
	for _, variable := range i.Environment {
		if name, value, ok := strings.Cut(variable, "="); ok && name != "" && !strings.Contains(variable, "\x00") {
			env[name] = value
		}
	}
	if _, given := env["HOME"]; !given && i.Home != "" {
		env["HOME"] = i.Home
	}
	return env
}
