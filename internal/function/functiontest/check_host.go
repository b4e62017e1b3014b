package functiontest

import (
	"strings"
	"time"

	"github.com/nex-engine/nex/internal/hostapi"
)

func checkHostService(r *rig) {
	rt := r.load(Host)
	for _, value := range []string{"value", "", "\x00\xff", strings.Repeat("x", 1<<20)} {
		if got := r.text(rt, value); got != value {
			r.Errorf("the value has %d bytes, %.40q, want %d, %.40q", len(got), got, len(value), value)
		}
	}
}

func checkHostError(r *rig) {
	rt := r.load(HostError)
	for range 2 {
		if got := r.text(rt, "missing"); got != string(hostapi.CodeNotFound) {
			r.Errorf("the function sees the error as %q, want %q", got, hostapi.CodeNotFound)
		}
	}
}

// letOneGo answers one host request that is held.
func (r *rig) letOneGo() {
	r.Helper()
	select {
	case r.host.release <- struct{}{}:
	case <-time.After(patience):
		r.Fatal("no host request waits")
	}
}

// wantText checks what a call returned.
func (p *pending) wantText(want string) {
	p.r.Helper()
	got, err := p.wait()
	if err != nil {
		p.r.Errorf("Call: %s", describe(err))
	} else if string(got.Payload) != want {
		p.r.Errorf("the reply = %.40q, want %.40q", got.Payload, want)
	}
}
