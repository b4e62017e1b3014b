package runas_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/agent/runas"
)

// status starts a program as the user and returns what the system says of it.
func status(u runas.User) (map[string]string, error) {
	cmd := exec.Command("/bin/cat", "/proc/self/status")
	var out bytes.Buffer
	cmd.Stdout = &out
	done := make(chan error)
	go func() { // its thread is of no use any more
		err := u.Start(cmd)
		if err == nil {
			err = cmd.Wait()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields, nil
}

func TestStart(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if _, err := status(runas.User{UID: 1000, GID: 1000}); !errors.Is(err, unix.EPERM) {
			t.Errorf("Start = %v, want %v", err, unix.EPERM)
		}
		return
	}
	for _, u := range []runas.User{{UID: 1000, GID: 1001}, {UID: 1000, GID: 1001, Groups: []uint32{5, 7}}, {UID: 0, GID: 0}} {
		got, err := status(u)
		if err != nil {
			t.Errorf("%+v: %v", u, err)
			continue
		}
		want := map[string]string{"Uid": "1000 1000 1000 1000", "Gid": "1001 1001 1001 1001", "Groups": "", "NoNewPrivs": "1"}
		if u.UID == 0 {
			want["Uid"], want["Gid"] = "0 0 0 0", "0 0 0 0"
		}
		if u.Groups != nil {
			want["Groups"] = "5 7"
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			want[set] = "0000000000000000"
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%+v: %s = %q, want %q", u, name, got[name], value)
			}
		}
	}
}

// What the thread of Start has lost no other has: none is made from it, and it is not used again.
func TestStartHarmsNoOtherThread(t *testing.T) {
	t.Parallel()
	before := ownBoundingSet(t)
	_, _ = status(runas.User{UID: 1000, GID: 1000}) // where it fails it has lost it, too
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if got := ownBoundingSet(t); got != before {
				t.Errorf("a thread has the capabilities %q, want %q", got, before)
			}
		})
	}
	group.Wait()
}

func ownBoundingSet(t *testing.T) string {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(b)) {
		if set, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			return set
		}
	}
	t.Error("the system does not say which capabilities a thread has")
	return ""
}
