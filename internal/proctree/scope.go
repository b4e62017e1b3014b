package proctree

import "context"

// Scope names processes that belong together although whoever started them may be gone.
type Scope struct {
	// Root is a process that was started as the root of a Tree. The scope holds it, its
	// descendants, and its session. The zero value names none.
	Root Identity
	// MarkerName and MarkerValue are an environment variable: the scope holds each process that was
	// started with it, and its descendants. An empty name names none. It has no effect on windows.
	MarkerName, MarkerValue string
}

// Kill ends every process of the scopes by force, except for the calling process and those above it,
// and returns as [Tree.Kill] does. Several scopes at once cost little more than one.
func Kill(ctx context.Context, scopes ...Scope) error { return kill(ctx, scopes) }
