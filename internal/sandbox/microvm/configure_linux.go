package microvm

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
	if err := i.driver.acceptLimits(s.Limits); err != nil {
		return err
	}
	if !reflect.DeepEqual(s.Limits, old.Limits) {
		if err := i.limit(ctx, s.Limits, old.Limits, &undo); err != nil {
			return err
		}
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

// limit changes the limits where they are enforced: inside, at the group, and by the VMM.
func (i *instance) limit(ctx context.Context, l, old sandbox.Limits, undo *unwind.Stack) error {
	d := i.driver
	at := i.machine
	at.Rates = d.rates(old)
	steps := []func(context.Context, sandbox.Limits) error{
		func(ctx context.Context, l sandbox.Limits) error {
			s, err := i.current(ctx)
			if err == nil {
				err = s.Configure(ctx, guestLimits(l))
			}
			return err
		},
		func(_ context.Context, l sandbox.Limits) error { return i.group.Set(d.hostLimits(l)) },
	}
	if !reflect.DeepEqual(d.rates(l), at.Rates) {
		steps = append(steps, func(ctx context.Context, l sandbox.Limits) error {
			return d.vmm.SetRates(ctx, at, d.rates(l))
		})
	}
	for _, set := range steps {
		if err := set(ctx, l); err != nil {
			return err
		}
		undo.Add(func() {
			ctx, cancel := undoing(ctx)
			defer cancel()
			d.logged(i.id, "take back limits", set(ctx, old))
		})
	}
	return nil
}
