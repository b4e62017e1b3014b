package microvm

import (
	"strings"

	"github.com/nex-engine/nex/internal/guest"
)

// Cmdline is what kernels are told, besides what the VMM adds. The path initrd is empty if there is none.
func Cmdline(initrd string) string {
	words := []string{
		// What is wrong is said all the same: the kernel's last words are of the most urgent kind.
		"quiet", "loglevel=1",
		// A machine whose kernel or init has crashed ends.
		"panic=-1", "reboot=t",
		// There is nothing that could be found by looking for it, and time is what a start costs.
		"i8042.noaux", "i8042.nokbd", "8250.nr_uarts=1", "raid=noautodetect", "cryptomgr.notests",
		// The seed of the host comes later, and the processor's is good enough to begin with.
		"random.trust_cpu=on",
		// One network stack, as the network of sandboxes is.
		"ipv6.disable=1",
	}
	if initrd == "" {
		words = append(words, "root=/dev/vda", "ro", "rootfstype=ext4", "init="+guest.InitPath)
	}
	return strings.Join(words, " ")
}
