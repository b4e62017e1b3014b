//go:build !(cgo && linux && (amd64 || arm64))

package javascript_test

import (
	"errors"
	"testing"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
)

func TestLoadWithoutV8(t *testing.T) {
	_, err := javascript.Load(t.Context(), function.Config{})
	e, ok := errors.AsType[*function.Error](err)
	if javascript.Supported || !ok || e.Status != function.StatusBadRequest {
		t.Errorf("Load = %v, with Supported %t", err, javascript.Supported)
	}
}
