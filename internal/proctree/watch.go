package proctree

// Watch tells of the end of a process that need not be a child of this one: the channel is closed when it has
// ended. The caller calls release when it does not want to know any more, and in any case; the channel then stays
// as it is. The error is [ErrNotFound] if that very process does not run.
func Watch(id Identity) (ended <-chan struct{}, release func(), err error) { return watch(id) }
