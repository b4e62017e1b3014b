//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	v8 "github.com/tommie/v8go"

	"github.com/nex-engine/nex/internal/function"
)

// program is the file of a function. It is safe for concurrent use once it has run for the first time.
type program struct {
	code     *code
	isModule bool // it was an ES module
	frames   *frames
}

// maxSource bounds the file, which V8 takes whole: 64 MiB.
const maxSource = 64 << 20

// readProgram reads the file of a function.
func readProgram(cfg *function.Config) (*program, error) {
	info, err := os.Stat(cfg.Path)
	if err != nil {
		return nil, function.Errorf(function.StatusBadRequest, "the function's file cannot be read: %s", err.Error())
	}
	if info.Size() > maxSource {
		return nil, function.Errorf(function.StatusBadRequest, "the function's file has %d bytes; JavaScript may have %d", info.Size(), maxSource)
	}
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		return nil, function.Errorf(function.StatusBadRequest, "the function's file cannot be read: %s", err.Error())
	}
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := &program{}
	p.set(sourceName(cfg.Name), string(text))
	return p, nil
}

func (p *program) set(name, text string) {
	p.code = &code{name: name, text: text}
	p.frames = &frames{name: name, text: text}
}

// checkText refuses what is no text: V8 would end it at a NUL and replace what is not UTF-8.
func checkText(text []byte) error {
	if bytes.HasPrefix(text, []byte("\x00asm")) {
		return function.Errorf(function.StatusBadRequest, "the function's file is WebAssembly and not JavaScript: deploy it with the type wasm")
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return function.Errorf(function.StatusBadRequest,
			"the function's file is no JavaScript text: it has a NUL byte in line %d; in a string write \\0 for it", 1+bytes.Count(text[:i], []byte("\n")))
	}
	if !utf8.Valid(text) {
		return function.Errorf(function.StatusBadRequest, "the function's file is no JavaScript text: it is not UTF-8")
	}
	return nil
}

// run runs the file as a script, and the first time, if it is none but may be an ES module, as that:
// so only modules pay for being one.
func (p *program) run(v *vm) (*v8.Value, error) {
	value, err := p.code.run(v)
	var compile *compileError
	if p.isModule || !errors.As(err, &compile) || !needsModule(compile.js.Message) {
		return value, err
	}
	text, err := scriptOfModule(p.code.name, p.code.text)
	if err != nil {
		return nil, err
	}
	p.isModule = true
	p.set(p.code.name, text)
	return p.code.run(v)
}

// needsModule reports whether V8 says of a script that it has what only modules have.
func needsModule(message string) bool {
	for _, sign := range []string{"import statement outside a module", "'import.meta' outside a module", "token 'export'", "top level bodies of modules"} {
		if strings.Contains(message, sign) {
			return true
		}
	}
	return false
}

// loadError says why the file cannot be loaded.
func (p *program) loadError(err error) error {
	var refused *function.Error
	var compile *compileError
	var none *noFunction
	var js *v8.JSError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &none):
		return function.Errorf(function.StatusBadRequest, "%s: %s", p.code.name, p.missing(none.what))
	case errors.As(err, &compile):
		return &function.Error{
			Status:  function.StatusBadRequest,
			Message: fmt.Sprintf("%s does not compile: %s", p.frames.place(compile.js.Location), oneLine(compile.js.Message)),
		}
	case errors.As(err, &js):
		return &function.Error{
			Status:  function.StatusBadRequest,
			Message: fmt.Sprintf("%s cannot be loaded, because its code throws: %s", p.frames.thrownAt(js.Location, js.StackTrace), oneLine(js.Message)),
			Stack:   p.frames.stack(js.StackTrace),
		}
	}
	return function.Errorf(function.StatusBadRequest, "%s cannot be loaded: %s", p.code.name, oneLine(err.Error()))
}

// sourceName is how errors call a file that has no source map. The names that the command line makes of
// files' names lack the period only.
func sourceName(workload string) string { return strings.TrimSuffix(workload, "js") + ".js" }

// missing says what a file lacks whose value is no function.
func (p *program) missing(what string) string {
	if p.isModule {
		return fmt.Sprintf("its default export must be the function, but is %s; write: export default (subject, payload) => …", what)
	}
	return fmt.Sprintf("its last expression, in a module its default export, must be the function, but is %s; write: (subject, payload) => …", what)
}
