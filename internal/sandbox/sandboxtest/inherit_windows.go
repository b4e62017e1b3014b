package sandboxtest

import "os"

// inherit does nothing: children get only the handles that they are given.
func inherit(*rig, *os.File) {}
