//go:build cgo && linux && (amd64 || arm64)

package javascript

import "C" // for isoc23.c, without which V8 does not link

// Supported is whether this program has V8, without which it runs no JavaScript.
const Supported = true
