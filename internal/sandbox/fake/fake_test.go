package fake_test

import (
	"context"
	"errors"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/fake"
)

func start(t *testing.T, d *fake.Driver, id string) sandbox.Instance {
	t.Helper()
	i, err := d.Start(t.Context(), sandbox.Spec{ID: id})
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return i
}

func destroy(t *testing.T, i sandbox.Instance) {
	t.Helper()
	if err := i.Destroy(t.Context()); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

func wantCounts(t *testing.T, d *fake.Driver, started, live int) {
	t.Helper()
	if d.Started() != started || d.Live() != live {
		t.Errorf("started, live = %d, %d, want %d, %d", d.Started(), d.Live(), started, live)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	d := &fake.Driver{}
	i := start(t, d, "a")
	wantCounts(t, d, 1, 1)
	path, err := i.Stage(t.Context(), sandbox.ForArtifact, "/artifact")
	if err != nil || path != "/artifact" || d.Instance("a").Staged(sandbox.ForArtifact) != "/artifact" {
		t.Errorf("Stage = %q, %v, want the path itself", path, err)
	}
	if _, err := i.Stage(t.Context(), sandbox.ForArtifact, "/artifact"); err == nil {
		t.Error("Stage succeeds a second time")
	}
	destroy(t, i)
	<-i.Done()
	if got := i.Exit(); got != fake.Killed {
		t.Errorf("exit = %+v, want %+v", got, fake.Killed)
	}
	if _, err := i.Stage(t.Context(), sandbox.ForArtifact, "/artifact"); err == nil {
		t.Error("Stage succeeds after the end")
	}
	destroy(t, i)
	wantCounts(t, d, 1, 0)
}

func TestEndComesFirst(t *testing.T) {
	t.Parallel()
	d := &fake.Driver{}
	i := start(t, d, "a")
	d.Instance("a").End(nex.Exit{Code: 3})
	<-i.Done()
	wantCounts(t, d, 1, 1)
	destroy(t, i)
	if got, want := i.Exit(), (nex.Exit{Code: 3}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
	wantCounts(t, d, 1, 0)
}

func TestAgent(t *testing.T) {
	t.Parallel()
	returned := false
	d := &fake.Driver{OnStart: func(spec sandbox.Spec, i *fake.Instance) {
		i.Go(func(ctx context.Context) nex.Exit {
			if spec.ID == "short" {
				return nex.Exit{Code: 5}
			}
			<-ctx.Done()
			returned = true
			return nex.Exit{}
		})
	}}
	short := start(t, d, "short")
	<-short.Done()
	if got, want := short.Exit(), (nex.Exit{Code: 5}); got != want {
		t.Errorf("exit = %+v, want %+v", got, want)
	}
	destroy(t, short)
	long := start(t, d, "long")
	destroy(t, long)
	if !returned {
		t.Error("Destroy did not wait for the agent")
	}
	wantCounts(t, d, 2, 0)
}

func TestStartErr(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	d := &fake.Driver{StartErr: func(n int) error {
		if n == 2 {
			return no
		}
		return nil
	}}
	first := start(t, d, "a")
	if _, err := d.Start(t.Context(), sandbox.Spec{ID: "b"}); !errors.Is(err, no) {
		t.Errorf("Start = %v, want %v", err, no)
	}
	third := start(t, d, "b")
	wantCounts(t, d, 2, 2)
	destroy(t, first)
	destroy(t, third)
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	d := &fake.Driver{}
	i := start(t, d, "a")
	for _, id := range []string{"", "a"} {
		if _, err := d.Start(t.Context(), sandbox.Spec{ID: id}); err == nil {
			t.Errorf("Start with id %q succeeds", id)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Start(ctx, sandbox.Spec{ID: "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want %v", err, context.Canceled)
	}
	destroy(t, i)
	wantCounts(t, d, 1, 0)
}

func TestHangingDestroy(t *testing.T) {
	t.Parallel()
	d := &fake.Driver{OnDestroy: fake.Hang}
	i := start(t, d, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Destroy(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Destroy = %v, want %v", err, context.Canceled)
	}
	wantCounts(t, d, 1, 1)
}

func TestDestroyGivesUpOnADeafAgent(t *testing.T) {
	t.Parallel()
	heed := make(chan struct{})
	d := &fake.Driver{OnStart: func(_ sandbox.Spec, i *fake.Instance) {
		i.Go(func(context.Context) nex.Exit { <-heed; return nex.Exit{} })
	}}
	i := start(t, d, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.Destroy(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Destroy = %v, want %v", err, context.Canceled)
	}
	close(heed)
	destroy(t, i)
	wantCounts(t, d, 1, 0)
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	if got := (&fake.Driver{}).Capabilities().Driver; got != "fake" {
		t.Errorf("driver = %q, want fake", got)
	}
	want := sandbox.Capabilities{Driver: "vm", Level: nex.SandboxMicroVM}
	if got := (&fake.Driver{Caps: want}).Capabilities(); got != want {
		t.Errorf("capabilities = %+v, want %+v", got, want)
	}
}

func TestLasting(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	d := &fake.Lasting{AdoptErr: func(id string) error {
		if id == "refused" {
			return no
		}
		return nil
	}}
	for _, id := range []string{"adopted", "ended", "refused", "forgotten"} {
		start(t, &d.Driver, id)
	}
	if _, err := d.Adopt(t.Context(), "adopted", nil); err == nil || errors.Is(err, sandbox.ErrGone) {
		t.Errorf("Adopt of what is in use = %v", err)
	}
	d.Leave()
	d.Instance("ended").End(nex.Exit{})
	adopted, err := d.Adopt(t.Context(), "adopted", nil)
	if err != nil {
		t.Fatalf("Adopt: %v", err)
	}
	for id, want := range map[string]error{"ended": sandbox.ErrGone, "nobody": sandbox.ErrGone, "refused": no} {
		if _, err := d.Adopt(t.Context(), id, nil); !errors.Is(err, want) {
			t.Errorf("Adopt of %s = %v, want %v", id, err, want)
		}
	}
	if n, err := d.Sweep(t.Context()); n != 3 || err != nil {
		t.Errorf("Sweep = %d, %v, want 3, nil", n, err)
	}
	wantCounts(t, &d.Driver, 4, 1)
	select {
	case <-adopted.Done():
		t.Error("Sweep has ended what was adopted")
	default:
	}
	destroy(t, adopted)
	if n, err := d.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep = %d, %v, want 0, nil", n, err)
	}
}
