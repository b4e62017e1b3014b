// Command nex-init is the first process of a microVM. It is started by the kernel.
package main

import (
	"os"

	"github.com/nex-engine/nex/internal/guest/vminit"
)

func main() { os.Exit(vminit.Main()) }
