//go:build !linux && !darwin

package hostinfo

import nex "github.com/nex-engine/nex"

func memory() *nex.MemoryInfo { return nil }
