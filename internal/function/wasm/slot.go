package wasm

import (
	"log/slog"
	"maps"
	goruntime "runtime"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

// slot is where calls run, one at a time. It keeps what calls after each other can share: the
// configuration of instances and, for a reactor, the instance.
type slot struct {
	runtime *runtime
	config  wazero.ModuleConfig
	subject string    // that config has as an argument
	current *call     // nil between calls
	live    *instance // a reactor's, between calls
	stdout  lines     // a reactor's
	stderr  lines
}

func newSlot(r *runtime) *slot {
	s := &slot{runtime: r}
	s.stdout = lines{slot: s, stream: nex.StreamStdout, level: slog.LevelInfo}
	s.stderr = lines{slot: s, stream: nex.StreamStderr, level: slog.LevelError}
	s.config = r.config.
		WithStdin(stdin{s}).
		WithStdout(stdout{s}).
		WithStderr(&s.stderr).
		WithRandSource(random{s}).
		WithNanosleep(s.sleep)
	return s
}

// commonConfig is what the instances of all slots have in common.
func commonConfig(cfg function.Config) wazero.ModuleConfig {
	config := wazero.NewModuleConfig().
		WithName(""). // any number of instances without a name can be in one runtime
		WithStartFunctions().
		WithSysWalltime().
		WithSysNanotime().
		WithOsyield(goruntime.Gosched).
		WithArgs(cfg.Name)
	for _, name := range slices.Sorted(maps.Keys(cfg.Environment)) {
		config = config.WithEnv(name, cfg.Environment[name])
	}
	return config
}

// run does work for a call and settles how the call has ended.
func (s *slot) run(c *call, work func(*slot, *call) error) error {
	s.current = c
	err := work(s, c)
	s.stdout.flush()
	s.stderr.flush()
	s.current = nil
	return c.outcome(err)
}

// call runs the function once.
func (s *slot) call(c *call) error {
	if s.runtime.reactor {
		return s.callReactor(c)
	}
	if c.in.Subject != s.subject {
		s.config = s.config.WithArgs(s.runtime.cfg.Name, c.in.Subject)
		s.subject = c.in.Subject
	}
	i, err := s.instantiate(c)
	if err != nil {
		return err
	}
	defer i.close()
	return i.invoke(c, exportStart)
}

// callReactor calls the handler of the slot's instance. It keeps the instance only if nothing has
// happened to it.
func (s *slot) callReactor(c *call) error {
	if s.live == nil {
		if err := s.start(c); err != nil {
			return err
		}
	}
	i := s.live
	i.stack[0] = 0
	err := i.handle.CallWithStack(c, i.stack[:])
	c.memoryRefused = i.memory.refused
	i.memory.refused = false
	if status := int32(i.stack[0]); err == nil && status != 0 && c.failure == nil {
		c.failure = function.Errorf(function.StatusFailed, "the function returned %d, which means that it failed", status)
	}
	if err != nil || i.memory.size > max(s.runtime.memory.limit/2, i.initial) {
		s.drop()
	}
	return err
}

// start makes a reactor's instance.
func (s *slot) start(c *call) error {
	c.starting = true
	defer func() { c.starting = false }()
	i, err := s.instantiate(c)
	if err != nil {
		return err
	}
	if err := i.invoke(c, exportInitialize); err != nil {
		i.close()
		return err
	}
	i.handle = i.module.ExportedFunction(exportHandle)
	i.initial = i.memory.size
	s.live = i
	return nil
}

// tryOut makes an instance and keeps it if it is a reactor's.
func (s *slot) tryOut(c *call) error {
	c.loading = true
	if s.runtime.reactor {
		return s.start(c)
	}
	c.starting = true
	i, err := s.instantiate(c)
	if err != nil {
		return err
	}
	i.close()
	return nil
}

// drop ends the reactor's instance, if there is one.
func (s *slot) drop() {
	if s.live != nil {
		s.live.close()
		s.live = nil
	}
}

// sleep waits, but not longer than the call may last.
func (s *slot) sleep(ns int64) {
	timer := time.NewTimer(time.Duration(ns))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.current.Done():
		s.current.goOn()
	}
}
