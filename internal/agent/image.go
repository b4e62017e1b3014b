package agent

import (
	"errors"
	"fmt"
	"io/fs"
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
	program, err := lookIn(env, i.Dir, i.Command[0])
	if err != nil {
		return refused("%v", err)
	}
	cmd := &exec.Cmd{Path: program, Args: i.Command, Env: env, Dir: i.Dir}
	return cmd, &runas.User{UID: i.UID, GID: i.GID, Groups: i.Groups}, nil
}

// imageProblem says what the kernel disliked about the program of an image.
func imageProblem(i *agentlink.Image, err error) string {
	var onPath *fs.PathError
	switch {
	case errors.As(err, &onPath) && onPath.Op == "chdir":
		return fmt.Sprintf("user %d of its image cannot be in the working directory %s: %v", i.UID, i.Dir, onPath.Err)
	case onPath != nil && !strings.Contains(i.Command[0], "/") && isHidden(onPath.Path):
		return fmt.Sprintf("its image has no program %q in those directories of its PATH that everybody may enter, and %s could not be executed: %v", i.Command[0], onPath.Path, onPath.Err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("user %d of its image may not execute %s: look at its permissions, and those of the directories above, in the image", i.UID, i.Command[0])
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("its image lacks a file that %s needs in order to start: its interpreter or dynamic linker", i.Command[0])
	}
	return startProblem(err)
}

// lookIn finds a program in the PATH of an environment, unless it is named by its path, which begins
// in dir. It looks as the agent: if it finds none, but there are directories that the agent may not enter, the
// program is taken to be in the first of them, and the kernel decides about its user.
func lookIn(env []string, dir, program string) (string, error) {
	if strings.Contains(program, "/") {
		whole := program
		if !path.IsAbs(program) {
			whole = path.Join(dir, program)
		}
		// What the agent may not look at its user may perhaps execute.
		if _, err := os.Stat(whole); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("its image has no program %s", whole)
		}
		return program, nil
	}
	dirs := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			dirs = value
		}
	}
	hidden := ""
	for dir := range strings.SplitSeq(dirs, ":") {
		if program == "" || !path.IsAbs(dir) {
			continue
		}
		file := path.Join(dir, program)
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
		if errors.Is(err, fs.ErrPermission) && hidden == "" {
			hidden = file
		}
	}
	if hidden != "" {
		return hidden, nil
	}
	return "", fmt.Errorf("its image has no program %q in its PATH, %q", program, dirs)
}

// isHidden reports whether the agent may not look at a file.
func isHidden(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrPermission)
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
