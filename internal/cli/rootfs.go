package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/rootfs"
	"github.com/nex-engine/nex/internal/rootfs/firstboot"
)

type rootfsCommand struct {
	Agent  string `help:"The program nex-agent to put into it, for Linux." placeholder:"PATH" required:""`
	Init   string `help:"The program nex-init to put into it; without, the one beside the agent or nex." placeholder:"PATH"`
	Image  string `help:"What it lies on top of: an image, such as oci://docker.io/library/alpine:3, an archive or a folder." placeholder:"BASE"`
	Size   int64  `help:"Size of the file system in bytes." default:"157286400" placeholder:"BYTES"`
	Output string `help:"File to write; with .gz at the end it is compressed, with a slash it is a folder." default:"rootfs.ext4" placeholder:"PATH"`
	JSON   bool   `name:"json" help:"Print JSON."`

	Script        string        `help:"Program to run in it as root, in a virtual machine that ends then." placeholder:"PATH"`
	ScriptTimeout time.Duration `help:"How long that may take." default:"10m" placeholder:"DURATION"`
	Kernel        string        `help:"Kernel of that machine; without, the one of the default configuration." placeholder:"PATH"`
	Modules       string        `help:"Folder with the modules of that kernel, such as /lib/modules/6.1.0, if it needs any." placeholder:"DIR"`
}

// Run builds a root file system.
func (c *rootfsCommand) Run(ctx context.Context, s *session) error {
	init, err := c.findInit()
	if err != nil {
		return err
	}
	if c.Size <= 0 {
		return usagef("--size must be more than 0 bytes")
	}
	change, err := c.script(ctx, s, init)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	r, err := rootfs.Build(ctx, rootfs.Config{
		Agent: c.Agent, Init: init, Base: c.Image, Size: c.Size, Output: c.Output, Say: s.say, Change: change,
	})
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return err
	case c.JSON:
		return s.printJSON(r)
	case r.Form == rootfs.FormDirectory:
		return s.print("Built %s", r.Path)
	}
	return s.print("Built %s (%s, %s of it used) sha256:%s", r.Path, render.Bytes(r.Size), render.Bytes(r.Used), r.SHA256)
}

// script is what changes the file system, nil if nothing does.
func (c *rootfsCommand) script(ctx context.Context, s *session, init string) (func(context.Context, string) error, error) {
	switch {
	case c.Script == "":
		return nil, nil
	case strings.HasSuffix(c.Output, "/"):
		return nil, usagef("--script changes an image: --output must not be a folder")
	case c.ScriptTimeout <= 0:
		return nil, usagef("--script-timeout must be more than 0")
	}
	kernel, modules, err := c.findKernel(s)
	if err != nil {
		return nil, err
	}
	m, err := firstboot.New(ctx, firstboot.Config{
		Script: c.Script, Init: init, Kernel: kernel, Modules: modules, Timeout: c.ScriptTimeout, Output: s.Err, Say: s.say,
	})
	if err != nil {
		return nil, err // and no method of a nil machine
	}
	return m.Change, nil
}

// findKernel is the kernel that was named, or that of the default configuration, with the directory of its modules.
func (c *rootfsCommand) findKernel(s *session) (kernel, modules string, err error) {
	if c.Kernel != "" {
		return c.Kernel, c.Modules, nil
	}
	dataDir, err := s.dataDir()
	if err != nil {
		return "", "", err
	}
	settings, err := nodeFlags{}.settings(nodeFlags{}.orDefault())
	if err != nil {
		return "", "", err
	}
	return settings.KernelPath(dataDir), cmp.Or(c.Modules, settings.KernelModules), nil
}

// findInit finds nex-init where releases have it.
func (c *rootfsCommand) findInit() (string, error) {
	const program = "nex-init"
	if c.Init != "" {
		return c.Init, nil
	}
	if path, err := binpath.Find(program, []string{filepath.Dir(c.Agent)}); err == nil {
		return path, nil
	}
	path, err := binpath.Find(program, nil)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside the agent, nor beside nex, nor on the PATH: name it with --init", program)
	}
	return path, nil
}
