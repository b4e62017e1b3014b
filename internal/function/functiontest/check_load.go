package functiontest

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/function"
)

// An artifact that is not in order is refused with what is wrong; it leaves nothing behind.
func checkLoadRefuses(r *rig) {
	dir := r.TempDir()
	extension := filepath.Ext(r.subject.Guests[Echo])
	for name, content := range map[string]string{
		"empty":   "",
		"garbage": "\x00\xff(no program",
		"blank":   " \n\t\n",
		"long":    strings.Repeat("(", 1<<20),
	} {
		path := filepath.Join(dir, name+extension)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			r.Fatal(err)
		}
		r.wantRefused(name, path)
	}
	r.wantRefused("missing", filepath.Join(dir, "missing"+extension))
	r.wantRefused("a directory", dir)
}

func (r *rig) wantRefused(name, path string) {
	r.Helper()
	ctx, cancel := r.patient()
	defer cancel()
	cfg := r.config(Echo)
	cfg.Path = path
	rt, err := r.subject.Load(ctx, cfg)
	if err == nil {
		r.Errorf("%s: the artifact loads", name)
		r.close(rt)
		return
	}
	r.wantStatus(err, function.StatusBadRequest)
}

func checkLoadContextEnds(r *rig) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rt, err := r.subject.Load(ctx, r.config(Echo))
	if err == nil {
		r.Error("Load succeeds with a ctx that is over")
		r.close(rt)
	}
}

// The same artifact can be loaded several times at once, with and without what was compiled before,
// whatever has become of that.
func checkLoadAgain(r *rig) {
	whole, damaged := filepath.Join(r.TempDir(), "whole"), filepath.Join(r.TempDir(), "damaged")
	if err := os.WriteFile(damaged, []byte("no code"), 0o600); err != nil {
		r.Fatal(err)
	}
	for _, path := range []string{"", whole, damaged} {
		for range 2 {
			rt := r.load(Echo, func(c *function.Config) { c.Compiled = path })
			if got := r.text(rt, path); got != path {
				r.Errorf("with %q: the reply = %q", path, got)
			}
		}
	}
}
