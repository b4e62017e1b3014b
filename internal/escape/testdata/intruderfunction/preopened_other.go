//go:build !wasm

package main

// preopened does nothing: programs of a machine open what they need.
func preopened() {}
