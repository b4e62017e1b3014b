//go:build !linux

package preflight

import (
	"errors"

	"github.com/nex-engine/nex/internal/preflight/checklist"
)

func kernelForGVisor() []checklist.Item { return nil }

func tryKVM(string) error { return errors.ErrUnsupported }
