package wasm

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// instance is an instance of the module with its memory. One goroutine at a time uses it.
type instance struct {
	module api.Module
	memory *linearMemory

	// A reactor's:
	handle  api.Function
	stack   [1]uint64 // handle's result
	initial uint64    // size of the memory before the first call
}

// instantiate makes an instance and runs the module's start function, if it has one; that is not the
// function _start.
func (s *slot) instantiate(c *call) (_ *instance, err error) {
	r := s.runtime
	memory := &linearMemory{slot: s, pool: r.memory, limit: min(r.memory.limit, r.module.memoryMax)}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be instantiated: %v", p)
		}
		if err != nil {
			c.memoryRefused = memory.refused
			memory.release()
		}
	}()
	if r.module.memoryMin > 0 && memory.Reallocate(r.module.memoryMin) == nil {
		return nil, errNoMemory
	}
	module, err := r.engine.wazero.InstantiateModule(experimental.WithMemoryAllocator(c, memory), r.engine.code, s.config)
	if err != nil {
		return nil, err
	}
	return &instance{module: module, memory: memory}, nil
}

// invoke calls an exported function without parameters and results, if there is one.
func (i *instance) invoke(c *call, name string) error {
	f := i.module.ExportedFunction(name)
	if f == nil {
		return nil
	}
	err := f.CallWithStack(c, nil)
	c.memoryRefused = i.memory.refused
	return err
}

// close frees the instance.
func (i *instance) close() {
	_ = i.module.Close(context.Background()) // it has no files whose closing could fail
	i.memory.release()
}
