package wasm

import (
	"context"
	"fmt"
	goruntime "runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// moduleWASI is the module that WASI preview 1 is imported from.
const moduleWASI = wasi_snapshot_preview1.ModuleName

// engine is what instances are made with: the host's modules and the compiled one.
type engine struct {
	wazero wazero.Runtime
	cache  wazero.CompilationCache
	host   map[string]map[string]api.FunctionDefinition // by module and name
	code   wazero.CompiledModule
}

// newEngine makes an engine without a compiled module. It uses the cache, which may be nil.
func newEngine(ctx context.Context, c *cache) (*engine, error) {
	e := &engine{host: map[string]map[string]api.FunctionDefinition{}}
	// Not WithCloseOnContextDone, with which every iteration of every loop leaves the machine code for
	// Go, and takes ten times as long: see rewriteCode.
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithDebugInfoEnabled(false)
	if c != nil {
		if e.cache = c.compilationCache(); e.cache != nil {
			config = config.WithCompilationCache(e.cache)
		}
	}
	e.wazero = wazero.NewRuntimeWithConfig(ctx, config)
	if err := e.addHost(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// addHost adds what modules can import.
func (e *engine) addHost(ctx context.Context) error {
	wasi := e.wazero.NewHostModuleBuilder(moduleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(wasi)
	for name, builder := range map[string]wazero.HostModuleBuilder{moduleWASI: wasi, moduleNex: nexModule(e.wazero)} {
		compiled, err := builder.Compile(ctx)
		if err != nil {
			return err
		}
		e.host[name] = compiled.ExportedFunctions()
		if _, err := e.wazero.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name)); err != nil {
			return err
		}
	}
	return nil
}

// compile compiles a module that parse has seen.
func (e *engine) compile(ctx context.Context, code []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	ctx = experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0))
	e.code, err = e.wazero.CompileModule(ctx, code)
	return err
}

// close frees everything. No instance may run any more.
func (e *engine) close() {
	ctx := context.Background()
	_ = e.wazero.Close(ctx) // closing instances does not fail: they have no files
	if e.cache != nil {
		_ = e.cache.Close(ctx) // nor does freeing code
	}
}
