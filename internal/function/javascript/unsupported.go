//go:build !(cgo && linux && (amd64 || arm64))

package javascript

import (
	"context"

	"github.com/nex-engine/nex/internal/function"
)

// Supported is whether this program has V8, without which it runs no JavaScript.
const Supported = false

// Load refuses every function: V8 is there on linux/amd64 and linux/arm64 only, and only with cgo.
func Load(context.Context, function.Config) (function.Runtime, error) {
	return nil, function.Errorf(function.StatusBadRequest,
		"this nex-agent was built without V8 and runs no JavaScript: use one for linux/amd64 or linux/arm64 that was built with CGO_ENABLED=1")
}
