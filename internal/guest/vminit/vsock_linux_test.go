package vminit_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest/vminit"
)

// Only the host is the node: programs in the VM are not, nor is who has no address of vsock.
func TestHostOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from unix.Sockaddr
		want bool
	}{
		{&unix.SockaddrVM{CID: unix.VMADDR_CID_HOST, Port: 1}, true},
		{&unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL}, false},
		{&unix.SockaddrVM{CID: 3}, false},
		{&unix.SockaddrUnix{}, false},
		{nil, false},
	} {
		if got := vminit.IsHost(c.from); got != c.want {
			t.Errorf("%+v: %v, want %v", c.from, got, c.want)
		}
	}
}
