package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxAwaited bounds the open files that waiting takes.
	maxAwaited = 64
	// How long it is waited, ever longer, where there is no event: such as for the kernel to take a
	// process out of its group after it has ended.
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// Kill ends every process in the group by force, as fast as they may fork, and returns nil when none is
// left. Nothing can be started in the group afterwards. Whatever state ctx is in, every process that is
// found gets its signal; if ctx ends before they are all gone the error says how many are left. It may be
// called again, and by many.
func (g *Group) Kill(ctx context.Context) error {
	g.mu.Lock() // no thread of ours is in the group
	g.ended = true
	g.mu.Unlock()
	if len(g.parts) == 0 {
		return nil
	}
	g.stopForks()
	for {
		all, err := g.processes()
		if err != nil {
			return fmt.Errorf("kill control group %s: %w", g.id, err)
		}
		if len(all) == 0 {
			return nil
		}
		await(ctx, g.signal(all))
		if ctx.Err() == nil {
			continue
		}
		if all, err = g.processes(); err == nil && len(all) == 0 {
			return nil
		}
		return fmt.Errorf("kill control group %s: processes that are left: %d: %w", g.id, len(all), errors.Join(context.Cause(ctx), err))
	}
}

// stopForks lets the group's processes make no others: it kills them all at once, or bounds their number.
// Where neither works, Open has made no groups.
func (g *Group) stopForks() {
	for _, p := range g.parts {
		if p.unified {
			_ = g.m.files.write(filepath.Join(p.dir, killFile), "1")
		}
		_ = g.m.files.write(filepath.Join(p.dir, "pids.max"), "0")
	}
}

// processes are those in the group and in groups that they have made in it. None is left when the group
// is removed.
func (g *Group) processes() ([]int, error) {
	var all []int
	for _, p := range g.parts {
		err := filepath.WalkDir(p.dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Name() != procsFile {
				return gone(err)
			}
			list, err := fields(path)
			for _, s := range list {
				if pid, err := strconv.Atoi(s); err == nil && pid > 0 && pid != os.Getpid() {
					all = append(all, pid)
				}
			}
			return gone(err)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// gone makes light of a group that was removed meanwhile, and of one whose processes are told by the
// group above it.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// signal kills processes and returns holds on some of them. The number of one that has ended can have
// gone to somebody else, but not any more once it is held: only then is it looked at whether it is ours.
// A kernel that has no holds (before 5.3) leaves that to luck.
func (g *Group) signal(all []int) []unix.PollFd {
	var held []unix.PollFd
	for _, pid := range all {
		fd, err := unix.PidfdOpen(pid, 0)
		switch {
		case errors.Is(err, unix.ESRCH):
			continue
		case !g.holds(pid):
		case err != nil:
			_ = unix.Kill(pid, unix.SIGKILL) // who does not get it is seen the next time
			continue
		case unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil && len(held) < maxAwaited:
			held = append(held, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			continue
		}
		if err == nil {
			_ = unix.Close(fd)
		}
	}
	return held
}

// holds reports whether a process is in the group.
func (g *Group) holds(pid int) bool {
	of, err := memberOf(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(g.parts, func(p part) bool {
		dir, ok := p.directory(of)
		return ok && within(dir, p.dir)
	})
}

// await waits until the processes have ended, or ctx, and lets go of them. Without a hold there is no
// event to wait for.
func await(ctx context.Context, held []unix.PollFd) {
	if len(held) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(firstPause):
		}
		return
	}
	defer func() {
		for _, h := range held {
			_ = unix.Close(int(h.Fd))
		}
	}()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = unix.Close(ends[1]) // the other end is told
		close(done)
	})
	defer func() {
		if stop() {
			_ = unix.Close(ends[1])
		} else {
			<-done
		}
		_ = unix.Close(ends[0])
	}()
	watched := append(slices.Clone(held), unix.PollFd{Fd: int32(ends[0]), Events: unix.POLLIN})
	for len(watched) > 1 {
		if _, err := unix.Poll(watched, -1); err != nil && err != unix.EINTR {
			return
		}
		if watched[len(watched)-1].Revents != 0 {
			return
		}
		watched = slices.DeleteFunc(watched, func(w unix.PollFd) bool { return w.Revents != 0 })
	}
}

// Remove removes the group with those that its processes made in it, nil every time it is called after
// that. Its processes must have ended: call Kill first. If ctx ends first the error says what is left.
func (g *Group) Remove(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := g.rmdirs()
		if err == nil {
			g.m.forget(g.id)
			return nil
		}
		if left, _ := g.processes(); !errors.Is(err, unix.EBUSY) || len(left) > 0 {
			return fmt.Errorf("remove control group %s: %w", g.id, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove control group %s: %w", g.id, errors.Join(context.Cause(ctx), err))
		case <-time.After(pause):
		}
	}
}

// rmdirs removes the group in every hierarchy, the innermost groups first.
func (g *Group) rmdirs() error {
	var failed []error
	for _, p := range g.parts {
		var dirs []string
		err := filepath.WalkDir(p.dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return gone(err)
		})
		for _, d := range slices.Backward(dirs) {
			if err == nil {
				err = g.m.files.rmdir(d)
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.dir, err))
		}
	}
	return errors.Join(failed...)
}
