package proctree

import "os/exec"

// StartedBy makes Start call the function in place of [exec.Cmd.Start], such as one that starts the
// command in a control group. It is called once, on a thread that is the tree's own until the root has
// ended: the one that means the parent where the system means a thread. When it fails nothing of the
// command may run.
func StartedBy(start func(*exec.Cmd) error) Option { return func(o *options) { o.start = start } }
