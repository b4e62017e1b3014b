// Package wasmtest builds WebAssembly functions from source for tests, each once in a test process. A
// package whose tests use it has
//
//	func TestMain(m *testing.M) { os.Exit(wasmtest.Run(m)) }
//
// It needs the go command and, for functions in Rust, rustc with cargo and the target wasm32-wasip1 or
// wasm32-wasi: Debian's packages rustc, cargo, lld and libstd-rust-dev-wasm32.
package wasmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nex-engine/nex/internal/nextest"
)

// built is what this process has built, in one directory.
var built = struct {
	sync.Mutex
	dir     string
	modules map[string]module
}{modules: map[string]module{}}

// module is a module that was built, or could not be.
type module struct {
	path string
	err  error
}

// Run runs a package's tests and removes what was built for them.
func Run(m *testing.M) int {
	code := m.Run()
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	return code
}

// Go builds the command in a folder of this module and returns the path of the WebAssembly module. A
// failure ends the test.
func Go(tb testing.TB, folder string) string { return build(tb, folder, goBuild()) }

// GoReactor builds a reactor as Go builds a command.
func GoReactor(tb testing.TB, folder string) string {
	return build(tb, folder, goBuild("-buildmode=c-shared"))
}

// Rust builds the crate in a folder of this module, and returns the path of the WebAssembly module with
// the name. A failure ends the test.
func Rust(tb testing.TB, folder, name string) string {
	return build(tb, folder, cargoBuild(name))
}

// builder builds the folder's module as the file out.
type builder struct {
	kind  string
	build func(folder, out string) error
}

func build(tb testing.TB, folder string, b builder) string {
	tb.Helper()
	built.Lock()
	defer built.Unlock()
	key := b.kind + " " + folder
	m, known := built.modules[key]
	if !known {
		m = buildNew(filepath.Join(nextest.Root(), folder), b)
		built.modules[key] = m
	}
	if m.err != nil {
		tb.Fatalf("build %s: %v", folder, m.err)
	}
	return m.path
}

func buildNew(folder string, b builder) module {
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "nex-wasmtest-")
		if err != nil {
			return module{err: err}
		}
		built.dir = dir
	}
	path := filepath.Join(built.dir, fmt.Sprintf("%d.wasm", len(built.modules)))
	return module{path: path, err: b.build(folder, path)}
}

func goBuild(flags ...string) builder {
	return builder{strings.Join(append([]string{"go"}, flags...), " "), func(folder, out string) error {
		args := append([]string{"build", "-o", out}, flags...)
		return run(folder, []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", append(args, ".")...)
	}}
}

// run runs a command in a folder; its error has the command's output.
func run(folder string, environ []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
