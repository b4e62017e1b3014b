// Package diskspace tells how much room there is on a disk.
package diskspace

import "fmt"

// Size prints bytes as people do.
func Size(bytes uint64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes < mib:
		return fmt.Sprintf("%d KiB", (bytes+kib-1)/kib)
	case bytes < gib:
		return fmt.Sprintf("%d MiB", bytes/mib)
	}
	return fmt.Sprintf("%.3g GiB", float64(bytes)/gib)
}
