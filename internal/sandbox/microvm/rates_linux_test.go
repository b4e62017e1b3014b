package microvm_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandboxdir"
)

// The rates of a machine are those of its limits, from its start on and after each change, and the next node process
// knows them.
func TestRates(t *testing.T) {
	t.Parallel()
	v := &standin{features: vmm.Features{Rates: true}}
	dir := filepath.Join(t.TempDir(), "state")
	d := newStandin(t, v, microvm.Config{Dir: dir})
	limits := func(iops int64) sandbox.Settings {
		return sandbox.Settings{Limits: sandbox.Limits{IOPS: &sandbox.Rate{Size: iops, Refill: time.Second}}}
	}
	rates := func(iops int64) vmm.Rates { return vmm.Rates{IOPS: limits(iops).Limits.IOPS} }
	recorded := func() vmm.Rates {
		r, err := sandboxdir.ReadRecord(filepath.Join(dir, "agent1"))
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ Machine vmm.Machine }
		if err := json.Unmarshal(r.Handle, &h); err != nil {
			t.Fatal(err)
		}
		return h.Machine.Rates
	}
	i, err := d.Start(t.Context(), sandbox.Spec{ID: "agent1", Bootstrap: []byte("{}"), Settings: limits(100)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { microvmtest.Destroy(t, i) })
	if got := v.last().Rates; !reflect.DeepEqual(got, rates(100)) {
		t.Errorf("it starts with %+v", got)
	}
	for _, iops := range []int64{100, 200, 300} {
		if err := i.Configure(t.Context(), limits(iops)); err != nil {
			t.Fatal(err)
		}
		if got := recorded(); !reflect.DeepEqual(got, rates(iops)) {
			t.Errorf("recorded are %+v, want %+v", got, rates(iops))
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "agent1")); err != nil {
		t.Fatal(err)
	}
	if err := i.Configure(t.Context(), limits(400)); err == nil {
		t.Error("Configure succeeds though nothing can be recorded")
	}
	want := []ratesSet{{rates(100), rates(200)}, {rates(200), rates(300)}, {rates(300), rates(400)}, {rates(300), rates(300)}}
	if !reflect.DeepEqual(v.rates, want) {
		t.Errorf("rates set: %+v, want %+v", v.rates, want)
	}
}
