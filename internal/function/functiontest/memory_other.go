//go:build !linux

package functiontest

// Where the system does not say how much memory the process has, growth is seen in Go's heap alone.

func memoryInUse() int64 { return 0 }

func peakMemory() int64 { return 0 }

func resetPeak() bool { return false }
