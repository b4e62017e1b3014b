package gvisor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
)

// checkTimeout bounds a Check. It takes a tenth of a second where sandboxes work.
const checkTimeout = 20 * time.Second

// Check reports whether sandboxes can be started here with this configuration, by starting one without
// network and limits, in which the agent says its version. The error says what does not work and the one
// thing to do.
func Check(ctx context.Context, c Config) error {
	c.Cgroups, c.Network = nil, nil
	d, err := New(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := d.try(ctx); err != nil {
		return fmt.Errorf("gVisor does not work here: %w: %s", err, d.remedy())
	}
	return nil
}

// try starts a sandbox and waits for its end.
func (d *Driver) try(ctx context.Context) (err error) {
	var said []string
	i, err := d.start(ctx, sandbox.Spec{
		ID:  "check" + strings.ToLower(rand.Text()),
		Log: func(line string) { said = append(said, line) },
	}, []string{"--version"})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		err = errors.Join(err, i.Destroy(ctx))
	}()
	select {
	case <-i.Done():
	case <-ctx.Done():
		return fmt.Errorf("an agent that should say its version does not end: %w", context.Cause(ctx))
	}
	if exit := i.Exit(); !exit.Success() {
		return fmt.Errorf("an agent that should say its version ended with %s: %q", exit, said)
	}
	return nil
}

// remedy says what most likely keeps sandboxes from working.
func (d *Driver) remedy() string {
	if !d.runsc.rootless {
		return "if the node is in a container let that be a privileged one, or run the node outside"
	}
	for _, s := range []struct{ path, forbids, do string }{
		{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if b, err := os.ReadFile(s.path); err == nil && string(bytes.TrimSpace(b)) == s.forbids {
			return "the kernel forbids user namespaces to ordinary users: run sysctl -w " + s.do + ", or the node as root"
		}
	}
	return "run the node as root"
}
