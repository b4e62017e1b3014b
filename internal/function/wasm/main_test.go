package wasm_test

import (
	"os"
	"testing"

	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
)

func TestMain(m *testing.M) { os.Exit(wasmtest.Run(m)) }
