//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"context"
	"time"

	"github.com/nex-engine/nex/internal/function"
)

// For tests.
var DecodeHeader = decodeHeader

// LoadTimed loads a function that may take so long to load anew, and gives large mailboxes back after a
// time.
func LoadTimed(ctx context.Context, cfg function.Config, reload, shrink time.Duration) (function.Runtime, error) {
	return load(ctx, cfg, times{reload: reload, shrink: shrink})
}

// RetainedValues counts the values that the idle isolates of a runtime keep for the Go side.
func RetainedValues(rt function.Runtime) int {
	r := rt.(*runtime)
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.idle {
		n += e.vm.ctx.RetainedValueCount()
	}
	return n
}

// MailboxBytes is the size of the mailboxes of the idle isolates of a runtime.
func MailboxBytes(rt function.Runtime) int {
	r := rt.(*runtime)
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.idle {
		n += len(e.vm.box.bytes)
	}
	return n
}

// Translate translates a stack with the source map at the end of the code.
func Translate(name, code, stack string) string {
	return (&frames{name: name, text: code}).stack(stack)
}
