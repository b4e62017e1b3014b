//go:build !linux

package proctree

import "runtime"

// OffFirstThread calls f locked to a thread. Which it is makes no difference here.
func OffFirstThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}
