package gvisor

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/unwind"
)

// Configure implements [sandbox.Instance].
func (i *instance) Configure(ctx context.Context, s sandbox.Settings) error {
	i.changing.Lock()
	defer i.changing.Unlock()
	if err := i.configure(ctx, s); err != nil {
		return fmt.Errorf("configure sandbox %s: %w", i.id, err)
	}
	return nil
}

func (i *instance) configure(ctx context.Context, s sandbox.Settings) (err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	old := i.handle.Settings
	switch {
	case i.ended():
		return errEnded
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.Limits.DiskBytes != old.Limits.DiskBytes || s.Limits.OpenFiles != old.Limits.OpenFiles:
		return errors.New("the limits of disk and open files cannot be changed once it has started")
	}
	if s.Limits.PIDs != old.Limits.PIDs {
		if err := i.limitPIDs(ctx, s.Limits.PIDs); err != nil {
			return err
		}
		undo.Add(func() {
			ctx, cancel := undoing(ctx)
			defer cancel()
			i.driver.logged(i.id, "take back limit of processes", i.limitPIDs(ctx, old.Limits.PIDs))
		})
	}
	if !reflect.DeepEqual(s.Limits, old.Limits) {
		if err := i.group.Set(i.driver.hostLimits(s.Limits)); err != nil {
			return err
		}
		undo.Add(func() { i.driver.logged(i.id, "take back limits", i.group.Set(i.driver.hostLimits(old.Limits))) })
	}
	if i.endpoint != nil && !reflect.DeepEqual(s.Egress, old.Egress) {
		if err := i.endpoint.SetEgress(ctx, s.Egress); err != nil {
			return err
		}
		undo.Add(func() {
			ctx, cancel := undoing(ctx)
			defer cancel()
			i.driver.logged(i.id, "take back egress", i.endpoint.SetEgress(ctx, old.Egress))
		})
	}
	h := i.handle
	h.Settings = s
	if err := i.record(h); err != nil {
		return err
	}
	i.handle = h
	return nil
}
