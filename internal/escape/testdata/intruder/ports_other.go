//go:build linux && !amd64

package main

// ports does nothing: these processors have none.
func ports(*report) {}
