// Package wasm runs functions that are WebAssembly modules for WASI preview 1, on wazero. What a module
// must export and can import is in guest/README.md; the guest libraries are package guest and the crate
// nex-guest below it.
//
// A command has a new instance for each call, in memory from a pool. A reactor has an instance that is
// used again, one for each call that runs at one time.
//
// Code is compiled once, in [Load]. Before that the module is read in full by this package, which
// refuses what no compiler should have to see, and rewritten, so that it can be stopped and its memory
// is bounded. What was compiled can be kept outside, in a file that is given to later loads. A damaged one
// does no harm; but whoever can write it decides what a process that is given it runs.
//
// The calls of a function run in the goroutines of its callers. Nothing else has a goroutine here.
package wasm
