package config_test

import (
	"errors"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

// FuzzParse checks that whatever the bytes are, there is either a valid configuration that can be
// written and read again, or an error that says something.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, ``, `[`, `null`, "\ufeff{}", `{"tags": {"a": "\ud800", "b.c": ""}}`,
		`{"public_nats_server": {"a": [null, {"<": 1e99}]}}`,
		`{"autostart": {"workloads": [{"name": "f", "type": "v8", "location": "nats://B/k", "trigger_subjects": ["a.*"]}]}}`,
		`{"rate_limiters": {"iops": {"size": 1, "refill_time": 1}}, "require_bound_claims": false}`,
		`{"egress": {"deny": [], "allow": ["*:1-2"]}, "machine_template": {"pids": 1e2}}`,
		`{"autostart": {"workloads": [{"name": "i", "type": "oci", "location": "oci://h/i", "cpus": 1e-400, "egress": {"deny": []}}]}}`,
		`{"machine_pool_size": 1.5, "nexus": null, "cni": {"subnet": "10.0.0.0/16", "subnet": ""}}`,
		`{"autostart": {"workloads": [1, {"tyqe": [], "location": "nats://"}]}, "workload_types": []}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Fatalf("what was parsed is not valid: %v", err)
			}
			roundTrip(t, data)
			return
		}
		problems, ok := errors.AsType[config.Problems](err)
		if !ok || len(problems) == 0 || err.Error() == "" {
			t.Fatalf("error %#v says nothing", err)
		}
		for _, p := range problems {
			if p.Text == "" || p.Line < 0 {
				t.Fatalf("problem %#v says nothing", p)
			}
		}
	})
}
