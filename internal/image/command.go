package image

import (
	"errors"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// RunConfig is how an image says that it is to be run.
type RunConfig struct {
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	// Env has "NAME=value". PATH is not among it unless the image says so.
	Env []string `json:"env,omitempty"`
	// User is "user", "user:group" or ""; [Image.User] says who that is.
	User string `json:"user,omitempty"`
	// WorkingDir is absolute, and exists in the root.
	WorkingDir string `json:"working_dir"`
	// ExposedPorts has ports such as "8080/tcp", sorted. They are what the author says, no more.
	ExposedPorts []string `json:"exposed_ports,omitempty"`
	// StopSignal is a name such as "SIGQUIT", or a number; "" means SIGTERM.
	StopSignal string `json:"stop_signal,omitempty"`
}

// newRunConfig takes what counts out of an image's configuration.
func newRunConfig(c v1.Config) RunConfig {
	dir := c.WorkingDir
	if !strings.HasPrefix(dir, "/") {
		dir = "/" + dir
	}
	return RunConfig{
		Entrypoint:   c.Entrypoint,
		Cmd:          c.Cmd,
		Env:          c.Env,
		User:         c.User,
		WorkingDir:   dir,
		ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)),
		StopSignal:   c.StopSignal,
	}
}

// Command returns the program and arguments that an image is run with, as docker run IMAGE argv...
// does: its entrypoint followed by argv, or by its cmd if there is no argv. The program can be a name
// that is looked for in PATH. It is an error if nothing is left to run.
func Command(c RunConfig, argv []string) ([]string, error) {
	if len(argv) == 0 {
		argv = c.Cmd
	}
	command := slices.Concat(c.Entrypoint, argv)
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("the image has no entrypoint and no command: say in argv what to run")
	}
	return command, nil
}
