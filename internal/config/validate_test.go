package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/nex-engine/nex/internal/config"
)

func TestValues(t *testing.T) {
	testProblems(t, []problemCase{
		{"nexus", `{"nexus": "a.b"}`, []string{`line 1: nexus: expected at most 128 letters, digits, _ and -, got "a.b"`}},
		{"tags", `{"tags": {"nex.os": "plan9", "nexus": "fine", "": "x"}}`, []string{
			`line 1: tags[""]: expected a name`,
			`line 1: tags["nex.os"]: tags that begin with nex. are set by the node itself: choose another name`,
		}},
		{"directories", `{"bin_path": ["a", ""], "cni": {"bin_path": [""]}}`, []string{
			"line 1: bin_path[1]: expected the path of a directory, got an empty string",
			"line 1: cni.bin_path[0]: expected the path of a directory, got an empty string",
		}},
		{"limits", `{"node_limits": {"max_total_bytes": 10, "max_workload_bytes": 11}}`, []string{
			"line 1: node_limits.max_workload_bytes: expected at most node_limits.max_total_bytes, which is 10, got 11",
		}},
		{"limits that fit", `{"node_limits": {"max_total_bytes": 0, "max_workload_bytes": 11}}`, nil},

		{"orphans", `{"orphan_timeout": "1h30m"}`, nil},
		{"orphans for ever", `{"orphan_timeout": "0s"}`, nil},
		{"orphans for a day", `{"orphan_timeout": "1d"}`, []string{
			`line 1: orphan_timeout: expected a time of at least 1s such as 24h or 1h30m, or 0s for ever, got "1d"`,
		}},
		{"orphans for too short", `{"orphan_timeout": "900ms"}`, []string{
			`line 1: orphan_timeout: expected a time of at least 1s such as 24h or 1h30m, or 0s for ever, got "900ms"`,
		}},
		{"orphans for less than nothing", `{"orphan_timeout": "-1h"}`, []string{
			`line 1: orphan_timeout: expected a time of at least 1s such as 24h or 1h30m, or 0s for ever, got "-1h"`,
		}},
		{"orphans in seconds", `{"orphan_timeout": 3600}`, []string{"line 1: orphan_timeout: expected a string, got a number"}},

		{"types", `{"workload_types": ["v8", "elf", "v8"]}`, []string{
			`line 1: workload_types[1]: expected one of native, v8, wasm, oci, got "elf"`,
			"line 1: workload_types[2]: v8 is given twice: remove one of them",
		}},
		{"no types", `{"workload_types": []}`, []string{"line 1: workload_types: expected at least one of native, v8, wasm, oci"}},
		{"denied", `{"deny_trigger_subjects": ["a.>", "a.*.b", ">.a", "a b", "", "a\u0000"]}`, []string{
			`line 1: deny_trigger_subjects[2]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got ">.a"`,
			`line 1: deny_trigger_subjects[3]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got "a b"`,
			`line 1: deny_trigger_subjects[4]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got ""`,
			`line 1: deny_trigger_subjects[5]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got "a\x00"`,
		}},

		{"kernel", `{"kernel_file": "a", "kernel_filepath": "b"}`, []string{"line 1: kernel_file: it contradicts kernel_filepath: give one of the two"}},
		{"rootfs", `{"rootfs_file": "a", "rootfs_filepath": "b"}`, []string{"line 1: rootfs_file: it contradicts rootfs_filepath: give one of the two"}},
		{"one of each", `{"kernel_file": "a", "rootfs_filepath": "b"}`, nil},
		{"incomplete rate", `{"rate_limiters": {"iops": {"size": 1}}}`, []string{
			"rate_limiters.iops.refill_time: expected a number from 1 to 86400000, got 0",
		}},

		{"sandbox too small", `{"machine_template": {"vcpu_count": 0, "memsize_mib": 15, "pids": 31, "open_files": 63, "disk_mib": 0}}`, []string{
			"line 1: machine_template.vcpu_count: expected a number from 1 to 1024, got 0",
			"line 1: machine_template.memsize_mib: expected a number from 16 to 1048576, got 15",
			"line 1: machine_template.pids: expected a number from 32 to 4194304, got 31",
			"line 1: machine_template.open_files: expected a number from 64 to 1048576, got 63",
			"line 1: machine_template.disk_mib: expected a number from 1 to 1048576, got 0",
		}},
		{"half a processor for all", `{"machine_template": {"vcpu_count": 0.5}}`, []string{
			"line 1: machine_template.vcpu_count: expected a whole number, got 0.5: write it without point and exponent",
		}},
		{"egress", `{"egress": {"allow": ["*.example.com:443", "10.1.0.0/16"], "deny": ["10.1.2.3/16", "a b"]}}`, []string{
			`line 1: egress.deny[0]: egress rule "10.1.2.3/16": it is an address in a network: write the network, 10.1.0.0/16`,
			`line 1: egress.deny[1]: egress rule "a b": it is no address, network or host name`,
		}},
		{"nothing denied", `{"egress": {"deny": []}}`, nil},

		{"interface", `{"cni": {"interface_name": "sixteen-letters-"}}`, []string{`line 1: cni.interface_name: expected at most 15 letters, digits, _ and -, got "sixteen-letters-"`}},
		{"network name", `{"cni": {"network_name": ""}}`, []string{`line 1: cni.network_name: expected letters, digits, _ and -, got ""`}},
		{"subnet too large", `{"cni": {"subnet": "10.0.0.0/15"}}`, []string{`line 1: cni.subnet: expected an IPv4 network from /16 to /29 such as 192.168.127.0/24, got "10.0.0.0/15"`}},
		{"subnet too small", `{"cni": {"subnet": "10.0.0.0/30"}}`, []string{`line 1: cni.subnet: expected an IPv4 network from /16 to /29 such as 192.168.127.0/24, got "10.0.0.0/30"`}},
		{"subnet at the ends", `{"cni": {"subnet": "10.0.0.8/29"}}`, nil},
		{"subnet of IPv6", `{"cni": {"subnet": "fd00::/20"}}`, []string{`line 1: cni.subnet: expected an IPv4 network from /16 to /29 such as 192.168.127.0/24, got "fd00::/20"`}},
		{"address in subnet", `{"cni": {"subnet": "10.1.2.3/16"}}`, []string{"line 1: cni.subnet: 10.1.2.3/16 is an address in a network: write the network, 10.1.0.0/16"}},
		{"nameservers", `{"cni": {"nameservers": ["192.0.2.1", "::1", "dns.example.com"]}}`, []string{`line 1: cni.nameservers[2]: expected an IP address, got "dns.example.com"`}},
		{"internal host", `{"internal_node_host": "10.0.0.1"}`, []string{
			`line 1: internal_node_host: expected a loopback address such as 127.0.0.1, because the internal NATS server must not be reachable from other machines, got "10.0.0.1"`,
		}},
		{"internal host of IPv6", `{"internal_node_host": "::1"}`, nil},

		{"metrics exporter", `{"otel_metrics_exporter": "statsd"}`, []string{`line 1: otel_metrics_exporter: expected prometheus or otlp, got "statsd"`}},
		{"traces exporter", `{"otel_traces_exporter": ""}`, []string{`line 1: otel_traces_exporter: expected grpc or http, got ""`}},
		{"no collector", `{"otel_metrics": true, "otel_metrics_exporter": "otlp", "otel_traces": true}`, []string{
			"line 1: otel_metrics_exporter: it needs otlp_exporter_url, which is not given",
			"line 1: otel_traces: it needs otlp_exporter_url, which is not given",
		}},
		{"no collector needed", `{"otel_metrics": true, "otel_metrics_exporter": "prometheus"}`, nil},
		{"collector", `{"otlp_exporter_url": "127.0.0.1:4317"}`, []string{"line 1: otlp_exporter_url: expected an http or https URL such as http://127.0.0.1:4317"}},
	})
}

func TestHostServices(t *testing.T) {
	const path = "line 1: host_services."
	needs := func(field, other string) []string {
		return []string{path + field + ": it needs host_services." + other + ", which is not given"}
	}
	seed := userSeed(t)
	testProblems(t, []problemCase{
		{"urls", `{"host_services": {"nats_url": "nats://a, wss://b:443/x,c:4222"}}`, nil},
		{"url", `{"host_services": {"nats_url": "nats://a,https://b"}}`, []string{
			path + "nats_url: it is not a NATS URL (scheme https is none of nats, tls, ws, wss): write nats://host:port",
		}},
		{"empty is none", `{"host_services": {"nats_url": "", "nats_user_jwt": "", "nats_user_seed": ""}}`, nil},
		{"credentials", `{"host_services": {"nats_url": "a", "nats_user_jwt": "x", "nats_user_seed": "` + seed + `"}}`, nil},
		{"no seed", `{"host_services": {"nats_url": "a", "nats_user_jwt": "x"}}`, needs("nats_user_jwt", "nats_user_seed")},
		{"no jwt", `{"host_services": {"nats_url": "a", "nats_user_seed": "` + seed + `"}}`, needs("nats_user_seed", "nats_user_jwt")},
		{"no url", `{"host_services": {"nats_user_jwt": "x", "nats_user_seed": "` + seed + `"}}`, needs("nats_user_jwt", "nats_url")},
		{"context", `{"host_services": {"nats_context": "host", "nats_user_jwt": "x", "nats_user_seed": "` + seed + `"}}`, nil},
		{"bucket names", `{"host_services": {"services": {"kv": {"config": {"bucket_name": "a${namespace}_${workload_name}"}}, "objectstore": {"config": {"bucket_name": "${node}"}}}}}`, []string{
			path + `services.objectstore.config.bucket_name: expected letters, digits, _ and -, besides ${namespace} and ${workload_name}, got "${node}"`,
		}},
		{"allowed hosts", `{"host_services": {"services": {"http": {"config": {"allow": ["a", "*.a.example", "10.0.0.1", "::1", "fd00::/8", "https://a", "a..b", "*", "-a"]}}}}}`, []string{
			path + `services.http.config.allow[5]: expected a host such as api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16, got "https://a"`,
			path + `services.http.config.allow[6]: expected a host such as api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16, got "a..b"`,
			path + `services.http.config.allow[7]: expected a host such as api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16, got "*"`,
			path + `services.http.config.allow[8]: expected a host such as api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16, got "-a"`,
		}},
	})
}

func userSeed(t *testing.T) string {
	t.Helper()
	return seedOf(t, nkeys.CreateUser)
}

func seedOf(t *testing.T, create func() (nkeys.KeyPair, error)) string {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

// Errors end up in logs, and a seed in the wrong place is a seed all the same.
func TestSecretsAreNotRepeated(t *testing.T) {
	account := seedOf(t, nkeys.CreateAccount)
	for _, text := range []string{
		`{"host_services": {"nats_user_seed": %q}}`,
		`{"host_services": {"nats_url": "nats://user:%s"}}`,
		`{"valid_issuers": [%q]}`,
		`{"otlp_exporter_url": "ftp://user:%s@host"}`,
		`{"autostart": {"workloads": [{"environment": {"A": "%s\u0000"}}]}}`,
	} {
		text = strings.ReplaceAll(fmt.Sprintf(text, account), `\"`, `"`)
		got := strings.Join(problemsOf(t, text), "\n")
		if got == "" || strings.Contains(got, account) {
			t.Errorf("problems of %s are %q, want some without the secret", text, got)
		}
	}
}

func TestValidIssuers(t *testing.T) {
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, `{"valid_issuers": ["`+key+`"]}`).ValidIssuers; len(got) != 1 || got[0] != key {
		t.Errorf("valid issuers are %q, want %s", got, key)
	}
	broken := key[:len(key)-1] + "!"
	got := problemsOf(t, `{"valid_issuers": ["`+key+`", "`+broken+`"]}`)
	if len(got) != 1 || !strings.HasPrefix(got[0], "line 1: valid_issuers[1]: expected the public key of an account nkey") {
		t.Errorf("problems = %q", got)
	}
}

// What a program puts together is checked like what is in a file.
func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*config.Config)
		path   string
	}{
		{"number", func(c *config.Config) { c.MachinePoolSize = -1 }, "machine_pool_size"},
		{"nothing", func(c *config.Config) { *c = config.Config{} }, "nexus"},
		{"list as server options", func(c *config.Config) { c.PublicNATSServer = json.RawMessage("[]") }, "public_nats_server"},
		{"no JSON as server options", func(c *config.Config) { c.PublicNATSServer = json.RawMessage("{") }, "public_nats_server"},
		{"nothing as server options", func(c *config.Config) { c.PublicNATSServer = json.RawMessage{} }, "public_nats_server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config.Default()
			tt.change(&c)
			problems, _ := errors.AsType[config.Problems](c.Validate())
			for _, p := range problems {
				if p.Path == tt.path && p.Line == 0 {
					return
				}
			}
			t.Errorf("problems = %v, want one of %s", problems, tt.path)
		})
	}
}
