//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"embed"
	"errors"
	"strings"
	"sync"

	v8 "github.com/tommie/v8go"
)

// code is a script that many isolates run. The first one compiles it, and the others take over what
// it has compiled. It is safe for concurrent use.
type code struct {
	name string // the origin, in stacks
	text string

	mu     sync.Mutex
	cached []byte // what V8 has compiled; nil until it has run once
}

// run compiles and runs the script. The caller releases the value. The error is a
// [*compileError] or a [*v8.JSError].
func (c *code) run(v *vm) (*v8.Value, error) {
	c.mu.Lock()
	cached := c.cached
	c.mu.Unlock()
	var options v8.CompileOptions
	if cached != nil {
		options.CachedData = &v8.CompilerCachedData{Bytes: cached}
	}
	script, err := v.iso.CompileUnboundScript(c.text, c.name, options)
	if err != nil {
		var js *v8.JSError
		if errors.As(err, &js) {
			return nil, &compileError{js: js}
		}
		return nil, err
	}
	value, err := script.Run(v.ctx)
	if err != nil {
		return nil, err
	}
	if cached == nil || options.CachedData.Rejected {
		// Now rather than before, because it then has the functions that running needed.
		made := script.CreateCodeCache().Bytes
		c.mu.Lock()
		c.cached = made
		c.mu.Unlock()
	}
	return value, nil
}

// compileError is the error of a script that does not compile.
type compileError struct{ js *v8.JSError }

func (e *compileError) Error() string { return e.js.Message }

//go:embed core*.js inspect.js console.js globals.js services.js
var scripts embed.FS

// coreNames lists the parts of the core, which are in one scope.
var coreNames = []string{
	"corebase.js", "coremailbox.js", "corecall.js", "coreresult.js", "coreblame.js", "coreerror.js", "coretimer.js",
	"corerequest.js", "coreenter.js",
}

func scriptText(name string) string {
	text, err := scripts.ReadFile(name)
	if err != nil {
		panic(err) // it is part of this program
	}
	return string(text)
}

func coreText() string {
	var b strings.Builder
	b.WriteString("(function (host) {\n'use strict';\n")
	for _, name := range coreNames {
		b.WriteString(scriptText(name))
	}
	b.WriteString("})")
	return b.String()
}

var coreCode = &code{name: ownPrefix + "core.js", text: coreText()}

// globalCodes are the scripts that make the globals, in their order. The value of each is a function
// of the object native.
var globalCodes = sync.OnceValue(func() []*code {
	return []*code{
		{name: ownPrefix + "inspect.js", text: scriptText("inspect.js")},
		{name: ownPrefix + "console.js", text: scriptText("console.js")},
		{name: ownPrefix + "globals.js", text: scriptText("globals.js")},
		{name: ownPrefix + "services.js", text: scriptText("services.js")},
		{name: ownPrefix + "web.js", text: webScript()},
	}
})
