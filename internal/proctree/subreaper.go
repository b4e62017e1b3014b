package proctree

// SetSubreaper makes the calling process the parent of every process below it whose own parent
// ends, instead of init. From then on all its descendants, except those in its own session, belong
// to the Tree that it starts: Kill ends them, and those that end are reaped while the root runs. So
// call it only in a process that starts one Tree, before Start. Ordinary exec.Cmd children, which
// are in the caller's session, are not touched.
//
// It does nothing on darwin, which has no such thing, and on windows, which needs none.
func SetSubreaper() error { return setSubreaper() }
