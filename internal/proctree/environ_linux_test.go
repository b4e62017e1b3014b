package proctree

import (
	"os"
	"testing"
)

func TestHasEnvironment(t *testing.T) {
	t.Parallel()
	if !hasEnvironment(os.Getpid()) {
		t.Error("this process has no place for its environment")
	}
	if hasEnvironment(1<<31 - 2) { // no system gives out numbers as high
		t.Error("nobody has a place for its environment")
	}
}
