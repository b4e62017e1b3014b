package wasm

import (
	"cmp"
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
	e, err := compile(ctx, cfg, m)
	switch {
	case ctx.Err() != nil:
		if e != nil {
			e.close()
		}
		return nil, function.Stopped(ctx)
	case err != nil:
		return nil, err
	}
	r := newRuntime(cfg, m, e)
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

// compile compiles the module, with the cache of the configuration if that is possible.
func compile(ctx context.Context, cfg function.Config, m *module) (*engine, error) {
	code, err := m.rewrite()
	if err != nil {
		return nil, refuse("the module is not in order: %v", err)
	}
	try := func(ctx context.Context, dir string) (*engine, error) {
		e, err := newEngine(ctx, dir)
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
	if cfg.CacheDir != "" {
		c := cache{cfg.CacheDir, cmp.Or(cfg.CacheMaxBytes, defaultCacheBytes)}
		if e := c.engine(code, func(dir string) (*engine, error) { return try(ctx, dir) }); e != nil || ctx.Err() != nil {
			return e, nil
		}
	}
	return try(ctx, "")
}

func mebibytes(n uint64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
