package wasmtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/nex-engine/nex/internal/nextest"
)

// toolchain is a Rust that can build for WASI.
type toolchain struct{ rustc, cargo, target string }

// errNoRust says what to do.
var errNoRust = errors.New("no rustc here has the target wasm32-wasip1 or wasm32-wasi; " +
	"on Debian, install rustc, cargo, lld and libstd-rust-dev-wasm32, elsewhere say: rustup target add wasm32-wasip1")

// findRust tries the rustc on the PATH, then the system's: the first is often one without the target.
var findRust = sync.OnceValues(func() (toolchain, error) {
	for _, name := range []string{"rustc", "/usr/bin/rustc"} {
		rustc, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cargo := filepath.Join(filepath.Dir(rustc), "cargo")
		if _, err := os.Stat(cargo); err != nil {
			continue
		}
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			lib, err := exec.Command(rustc, "--print", "target-libdir", "--target", target).Output()
			if err != nil {
				continue // it does not know the target
			}
			if found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(lib)), "libstd-*")); len(found) > 0 {
				return toolchain{rustc, cargo, target}, nil
			}
		}
	}
	return toolchain{}, errNoRust
})

// cargoDir is where cargo builds. It is kept from one test process to the next, and cargo sees to it that
// they take turns.
func cargoDir() string { return filepath.Join(nextest.Root(), "bin", "cargo") }

// run runs a cargo command in a folder.
func (t toolchain) run(folder string, args ...string) error {
	environ := []string{"RUSTC=" + t.rustc, "CARGO_TARGET_DIR=" + cargoDir()}
	return run(folder, environ, t.cargo, append(args, "--offline", "--locked")...)
}

// TestRust runs the tests of the crate in a folder of this module, on this machine.
func TestRust(folder string) error {
	rust, err := findRust()
	if err != nil {
		return err
	}
	return rust.run(filepath.Join(nextest.Root(), folder), "test", "--lib")
}

func cargoBuild(name string) builder {
	return builder{"rust " + name, func(folder, out string) error {
		rust, err := findRust()
		if err != nil {
			return err
		}
		if err := rust.run(folder, "build", "--release", "--target", rust.target); err != nil {
			return err
		}
		module, err := os.ReadFile(filepath.Join(cargoDir(), rust.target, "release", name+".wasm"))
		if err != nil {
			return err
		}
		return os.WriteFile(out, module, 0o600)
	}}
}
