package wasm

import (
	"context"
	"fmt"
	"os"

	"github.com/nex-engine/nex/internal/function"
)

// Load loads a function; see [function.Loader]. The runtime has read the artifact when Load returns.
func Load(ctx context.Context, cfg function.Config) (function.Runtime, error) {
	file, err := readFile(cfg.Path)
	if err != nil {
		return nil, refuse("the artifact cannot be read: %v", err)
	}
	m, err := open(file)
	if err != nil {
		return nil, err
	}
	if err := checkEnvironment(cfg.Environment); err != nil {
		return nil, err
	}
	if limit := memoryLimit(cfg); m.memoryMin > limit {
		return nil, refuse("the module needs %s of memory to begin with, and may have %s", mebibytes(m.memoryMin), mebibytes(limit))
	}
	e, compiled, err := compile(ctx, cfg, m)
	switch {
	case ctx.Err() != nil:
		if e != nil {
			e.close()
		}
		return nil, function.Stopped(ctx)
	case err != nil:
		return nil, err
	}
	r := newRuntime(cfg, m, e, compiled)
	if err := r.tryOut(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// refuse is the error for an artifact that cannot be loaded.
func refuse(format string, args ...any) *function.Error {
	return function.Errorf(function.StatusBadRequest, "%s", sentence(fmt.Sprintf(format, args...)))
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxModuleBytes {
		err = fmt.Errorf("it has more than %s", mebibytes(maxModuleBytes))
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// open reads the module in a file and finds out whether it can be a function.
func open(file []byte) (*module, error) {
	switch {
	case isComponent(file):
		return nil, refuse("the artifact is a WebAssembly component; " +
			"build a core module for WASI preview 1 (in Rust with --target wasm32-wasip1)")
	case !isModule(file):
		return nil, refuse("the artifact is not a WebAssembly module: it does not begin as one (version 1) does")
	}
	m, err := parse(file)
	if err != nil {
		return nil, refuse("the module is not in order: %v", err)
	}
	if err := m.checkExports(); err != nil {
		return nil, err
	}
	return m, nil
}

// compile compiles the module, or takes what was compiled before. It returns what it has compiled if that
// is to be kept.
func compile(ctx context.Context, cfg function.Config, m *module) (_ *engine, compiled []byte, err error) {
	code, err := m.rewrite()
	if err != nil {
		return nil, nil, refuse("the module is not in order: %v", err)
	}
	c := &cache{given: cfg.Compiled, most: cfg.KeepCompiled}
	e, err := m.engine(ctx, code, c)
	if err != nil && c.taken && ctx.Err() == nil { // that was not what it says it is
		c = &cache{most: cfg.KeepCompiled}
		e, err = m.engine(ctx, code, c)
	}
	return e, c.sealed, err
}

// engine makes an engine with the module, whose code was rewritten.
func (m *module) engine(ctx context.Context, code []byte, c *cache) (*engine, error) {
	e, err := newEngine(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := m.checkImports(e.host); err != nil {
		e.close()
		return nil, err
	}
	if err := e.compile(ctx, code); err != nil {
		e.close()
		return nil, refuse("the module is not valid: %v", err)
	}
	return e, nil
}

func mebibytes(n uint64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
