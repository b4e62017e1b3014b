package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return *c
}

func TestEmptyObjectIsDefault(t *testing.T) {
	for _, text := range []string{"{}", " \n{ }\n", "\ufeff{}"} {
		if got := parse(t, text); !reflect.DeepEqual(got, config.Default()) {
			t.Errorf("Parse(%q) = %+v, want the default", text, got)
		}
	}
}

func TestDefaultIsValidAndOwn(t *testing.T) {
	first := config.Default()
	if err := first.Validate(); err != nil {
		t.Error(err)
	}
	first.WorkloadTypes[0] = "changed"
	if got := config.Default().WorkloadTypes[0]; got != "native" {
		t.Errorf("after a change to another default the first workload type is %q", got)
	}
}

// What the published documentation shows must work.
func TestPublishedExamples(t *testing.T) {
	for name, want := range map[string]func(*config.Config){
		"simple.json": func(c *config.Config) { c.DefaultResourceDir = "/tmp/wd" },
		"no_sandbox.json": func(c *config.Config) {
			c.NoSandbox = true
			c.KernelFilepath, c.RootfsFilepath = "/path/to/vmlinux-5.10", "/path/to/rootfs.ext4"
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := config.Load(filepath.Join("testdata", "published", name))
			if err != nil {
				t.Fatal(err)
			}
			c := config.Default()
			c.Tags = map[string]string{"simple": "true"}
			want(&c)
			if !reflect.DeepEqual(*got, c) {
				t.Errorf("got %+v, want %+v", *got, c)
			}
		})
	}
}

// A part of an object leaves the defaults of the other parts alone.
func TestDefaultsOfParts(t *testing.T) {
	got := parse(t, `{
		"cni": {"subnet": "10.0.0.0/16"},
		"workload_types": ["wasm"],
		"require_bound_claims": false,
		"host_services": {"services": {"kv": {"config": {"max_bytes": 0}}, "http": {"enabled": false}}},
		"autostart": {"workloads": [{"name": "a", "type": "wasm", "location": "nats://B/a", "trigger_subjects": ["x.*"]}]}
	}`)
	no := false
	want := config.Default()
	want.CNI.Subnet = "10.0.0.0/16"
	want.WorkloadTypes = want.WorkloadTypes[2:3]
	want.RequireBoundClaims = &no
	want.HostServices.Services.KV.Config.MaxBytes = 0
	want.HostServices.Services.HTTP.Enabled = false
	want.Autostart.Workloads = []config.AutostartWorkload{
		{Name: "a", Namespace: "default", Type: "wasm", Location: "nats://B/a", TriggerSubjects: []string{"x.*"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPublicServerIsVerbatim(t *testing.T) {
	const options = `{"port": 4222,  "made_up": [1e3, null, {"deep": "<&>"}]}`
	if got := string(parse(t, `{"public_nats_server": `+options+`}`).PublicNATSServer); got != options {
		t.Errorf("got %s, want %s", got, options)
	}
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, read(t, "testdata/complete.json"))
	roundTrip(t, []byte("{}"))
	roundTrip(t, []byte(`{"egress": {"deny": []}}`))
}

// roundTrip checks that a configuration which is accepted is the same when it is written and read.
func roundTrip(t *testing.T, data []byte) {
	t.Helper()
	c, err := config.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	once := marshal(t, c)
	again, err := config.Parse(once)
	if err != nil {
		t.Fatalf("what was accepted is refused as %s: %v", once, err)
	}
	if twice := marshal(t, again); !bytes.Equal(once, twice) {
		t.Errorf("written, read and written it is\n%s, not\n%s", twice, once)
	}
}

func marshal(t *testing.T, c *config.Config) []byte {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
