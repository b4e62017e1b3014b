//go:build !linux

package process

import "os/exec"

// whyNoFileLimit says why open files cannot be bounded here.
func whyNoFileLimit() string { return "open files are bounded on linux alone" }

// limitFiles is called without a bound only.
func limitFiles(start func(*exec.Cmd) error, _ int) func(*exec.Cmd) error { return start }
