package firecracker_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
)

// script makes a program that answers as a shell script says.
func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	t.Parallel()
	says := func(v string) string { return "echo Firecracker v" + v }
	noKVM := errors.New("there is no KVM")
	for _, c := range []struct {
		name, firecracker, jailer string
		kvm                       error
		want                      string
	}{
		{"works", says("1.13.1"), says("1.13.1"), nil, ""},
		{"old", says("1.10.0"), says("1.10.0"), nil, "too old: install 1.12.0 or later"},
		{"another jailer", says("1.13.1"), says("1.12.0"), nil, "install both from one release"},
		{"fails", "exit 3", says("1.13.1"), nil, "exit status 3"},
		{"hangs", "exec sleep 100", says("1.13.1"), nil, "in time"},
		{"no KVM", says("1.13.1"), says("1.13.1"), noKVM, "firecracker needs KVM: there is no KVM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := firecracker.New(firecracker.Config{
				Path: script(t, "firecracker", c.firecracker), Jailer: script(t, "jailer", c.jailer),
				TryKVM: func(context.Context) error { return c.kvm },
			})
			if err != nil {
				t.Fatal(err)
			}
			err = f.Check(t.Context())
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
	if _, err := firecracker.New(firecracker.Config{Path: "/nonexistent/firecracker"}); err == nil || !strings.Contains(err.Error(), "preflight") {
		t.Errorf("without a program the error is %v", err)
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  *sandbox.Rate
		share int
		want  string
	}{
		{nil, 2, "0 every 0, 0 once"},
		{&sandbox.Rate{Size: 1 << 20, Refill: time.Second}, 1, "1048576 every 1000, 0 once"},
		{&sandbox.Rate{Size: 1 << 20, Refill: time.Second, Burst: 100}, 2, "1048576 every 2000, 50 once"},
		{&sandbox.Rate{Size: 10, Refill: 100 * time.Microsecond}, 1, "100 every 1, 0 once"},
		{&sandbox.Rate{Size: 10, Refill: 1500 * time.Microsecond}, 1, "13 every 2, 0 once"},
		{&sandbox.Rate{Refill: time.Second}, 1, ""},
		{&sandbox.Rate{Size: 1}, 1, ""},
		{&sandbox.Rate{Size: 1, Refill: 1, Burst: -1}, 1, ""},
		{&sandbox.Rate{Size: math.MaxInt64, Refill: 1}, 1, ""},
		{&sandbox.Rate{Size: 1, Refill: math.MaxInt64}, 3, ""},
	} {
		b, err := firecracker.Bucket(c.rate, c.share)
		if err != nil {
			if c.want != "" {
				t.Errorf("%+v: %v", c.rate, err)
			}
			continue
		}
		if got := fmt.Sprintf("%d every %d, %d once", b.Size, b.RefillMillis, b.Burst); got != c.want {
			t.Errorf("%+v by %d: %s, want %q", c.rate, c.share, got, c.want)
		}
	}
}
