package natsconn_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// No test may see the contexts of whoever runs it.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "natsconn")
	if err == nil {
		err = os.Setenv("XDG_CONFIG_HOME", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}
