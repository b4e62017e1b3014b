package jsbundle

import (
	"slices"
	"strings"
)

// nodeModules are the modules that Node.js brings along.
var nodeModules = []string{
	"assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram",
	"diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module", "net",
	"os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl", "stream",
	"string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm", "wasi",
	"worker_threads", "zlib",
}

// isNodes reports whether an import that nothing was found for means a module of Node.js.
func isNodes(name string) bool {
	if strings.HasPrefix(name, "node:") {
		return true
	}
	first, _, _ := strings.Cut(name, "/") // fs/promises
	_, found := slices.BinarySearch(nodeModules, first)
	return found
}
