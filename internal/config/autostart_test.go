package config_test

import (
	"strings"
	"testing"
)

func TestAutostart(t *testing.T) {
	const path = "line 1: autostart.workloads"
	// workloads is a configuration with workloads, and other fields before.
	workloads := func(fields, list string) string {
		return `{` + fields + `"autostart": {"workloads": [` + list + `]}}`
	}
	const native = `"name": "a", "type": "native", "location": "nats://B/a"`
	const function = `"name": "f", "type": "v8", "location": "https://h/f.js"`
	testProblems(t, []problemCase{
		{"service", workloads("", `{`+native+`, "jsdomain": "hub", "argv": ["", "-v"], "environment": {"A": "", "b_c": "="}}`), nil},
		{"function", workloads("", `{`+function+`, "trigger_subjects": ["a.*", "b.>"]}`), nil},
		{"empty", workloads("", `{}`), []string{
			// The fields are not in the file, and so on no line.
			`autostart.workloads[0].name: invalid workload name "": it is empty; use letters, digits, _ and -`,
			`autostart.workloads[0].type: expected one of native, v8, wasm, oci, got ""`,
			"autostart.workloads[0].location: expected a URL such as nats://BUCKET/key",
		}},
		{"names", workloads("", `{"name": "a b", "namespace": "system", "type": "native", "location": "nats://B/a"}`), []string{
			path + `[0].name: invalid workload name "a b": use only letters, digits, _ and -`,
			path + `[0].namespace: namespace "system" is reserved for the nodes themselves: choose another`,
		}},
		{"restarts", workloads("", `{`+native+`, "restart": "on-failure"}, {`+function+`, "trigger_subjects": ["x"], "restart": "always"}`), nil},
		{"essential and always", workloads("", `{`+native+`, "essential": true, "restart": "always"}`), nil},
		{"no restart policy", workloads("", `{`+native+`, "restart": "sometimes"}`), []string{
			path + `[0].restart: expected always, on-failure or never, got "sometimes"`,
		}},
		{"essential and never", workloads("", `{`+native+`, "essential": true, "restart": "never"}`), []string{
			path + "[0].restart: never contradicts essential, which is always: give one of the two",
		}},
		{"function and never", workloads("", `{`+function+`, "trigger_subjects": ["x"], "restart": "never"}`), []string{
			path + "[0].restart: a v8 function answers until it is stopped, so that its policy is always: leave it away",
		}},
		{"same in one namespace", workloads("", `{`+native+`}, {`+native+`, "namespace": "other"}, {`+native+`, "namespace": "default"}`), []string{
			path + "[2].name: a in namespace default is also autostart.workloads[0]: choose another name",
		}},
		{"too many", workloads(`"node_limits": {"max_workloads": 1}, `, `{`+native+`}, {`+function+`, "trigger_subjects": ["x"]}`), []string{
			path + ": it has 2 workloads, more than node_limits.max_workloads, which is 1",
		}},
		{"type", workloads("", `{`+native+`}, {"name": "o", "type": "elf", "location": "https://h/o"}`), []string{
			path + `[1].type: expected one of native, v8, wasm, oci, got "elf"`,
		}},
		{"type not accepted", workloads(`"workload_types": ["v8"], `, `{`+native+`}`), []string{
			path + "[0].type: it contradicts workload_types, which lacks native",
		}},
		{"location", workloads("", `{"name": "a", "type": "native", "location": "nats://B"}`), []string{
			path + `[0].location: invalid artifact location "nats://B": use nats://BUCKET/key`,
		}},
		{"file", workloads("", `{"name": "a", "type": "native", "location": "file:///a"}`), []string{
			path + "[0].location: a file location needs allow_file_artifacts, which is false",
		}},
		{"file allowed", workloads(`"allow_file_artifacts": true, `, `{"name": "a", "type": "native", "location": "file:///a"}`), nil},
		{"domain", workloads("", `{`+function+`, "jsdomain": "hub", "trigger_subjects": ["x"]}`), []string{
			path + "[0].jsdomain: it is for nats locations only, and this one is https",
		}},
		{"service with triggers", workloads("", `{`+native+`, "trigger_subjects": ["x"]}`), []string{
			path + "[0].trigger_subjects: a native workload has no triggers, only functions (v8, wasm) do",
		}},
		{"function without triggers", workloads("", `{`+function+`, "trigger_subjects": []}`), []string{
			path + "[0].trigger_subjects: a v8 workload runs only when it is triggered: give at least one subject",
		}},
		{"bad trigger", workloads("", `{`+function+`, "trigger_subjects": ["x", "x..y"]}`), []string{
			path + `[0].trigger_subjects[1]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got "x..y"`,
		}},
		{"denied triggers", workloads(`"deny_trigger_subjects": ["a..b", "billing.>"], `, `{`+function+`, "trigger_subjects": ["$NEX.PING", "*.x", "ok"]}`), []string{
			`line 1: deny_trigger_subjects[0]: expected a NATS subject of at most 256 bytes, such as orders.*.new or orders.>, got "a..b"`,
			path + `[0].trigger_subjects[0]: "$NEX.PING" overlaps with "$NEX.>", which triggers are denied`,
			path + `[0].trigger_subjects[1]: "*.x" overlaps with "$SYS.>", which triggers are denied`,
		}},
		{"environment", workloads("", `{`+native+`, "environment": {"A=B": "", "C": "\u0000", "": ""}}`), []string{
			path + `[0].environment[""]: expected a name of an environment variable`,
			path + `[0].environment["A=B"]: expected a name of an environment variable`,
			path + `[0].environment.C: expected no NUL byte`,
		}},
		{"sizes", workloads("", `{`+native+`, "description": "`+strings.Repeat("d", 1025)+`", "argv": ["a\u0000"`+strings.Repeat(`, ""`, 256)+`]}`), []string{
			path + "[0].description: expected at most 1024 bytes, got 1025",
			path + "[0].argv: expected at most 256 arguments, got 257",
			path + "[0].argv[0]: expected no NUL byte",
		}},
		{"image", workloads("", `{"name": "i", "type": "oci", "location": "oci://registry.example.com/i:1", "argv": ["-v"]}`), nil},
		{"image elsewhere", workloads("", `{"name": "i", "type": "oci", "location": "nats://B/i"}, {"name": "n", "type": "native", "location": "oci://h/n"}`), []string{
			path + "[0].location: an image cannot lie at a nats location: use oci://registry/repository:tag, or file:///path of an image on the node",
			path + "[1].location: a workload of type native cannot lie in a registry: give it the type oci if it is an image",
		}},
		{"calls", workloads("", `{`+function+`, "trigger_subjects": ["x"], "max_concurrency": 1024, "call_timeout_ms": 300000}`), nil},
		{"too many calls", workloads("", `{`+function+`, "trigger_subjects": ["x"], "max_concurrency": 1025, "call_timeout_ms": 300001}`), []string{
			path + "[0].max_concurrency: expected a number from 0 to 1024, got 1025",
			path + "[0].call_timeout_ms: expected a number from 0 to 300000, got 300001",
		}},
		{"service with calls", workloads("", `{`+native+`, "max_concurrency": 1, "call_timeout_ms": 1}`), []string{
			path + "[0].max_concurrency: a native workload has no calls, only functions (v8, wasm) do",
			path + "[0].call_timeout_ms: a native workload has no calls, only functions (v8, wasm) do",
		}},
		{"sandbox", workloads("", `{`+native+`, "min_sandbox": "microvm", "memory_mib": 16, "cpus": 0.01, "egress": {"allow": ["10.0.0.0/8:1-2"], "deny": []}}`), nil},
		{"no level", workloads("", `{`+native+`, "min_sandbox": "castle"}`), []string{
			path + `[0].min_sandbox: expected none, gvisor or microvm, got "castle"`,
		}},
		{"level without a sandbox", workloads(`"no_sandbox": true, `, `{`+native+`, "min_sandbox": "gvisor"}, {"name": "b", "type": "native", "location": "nats://B/b", "min_sandbox": "none"}`), []string{
			path + "[0].min_sandbox: it contradicts no_sandbox, with which the level is none",
		}},
		{"sizes of the sandbox", workloads("", `{`+native+`, "memory_mib": 15, "cpus": 1024.5}`), []string{
			path + "[0].memory_mib: expected a number from 16 to 1048576, got 15",
			path + "[0].cpus: expected a number from 0.01 to 1024, got 1024.5",
		}},
		{"endless processors", workloads("", `{`+native+`, "cpus": 1e999}`), []string{
			path + "[0].cpus: expected a number, got one that is too large",
		}},
		{"bad egress", workloads("", `{`+native+`, "egress": {"allow": ["*", "http:"], "deny": ["*"`+strings.Repeat(`, "*"`, 64)+`]}}`), []string{
			path + `[0].egress.allow[1]: egress rule "http:": there is no port after the colon`,
			path + "[0].egress.deny: expected at most 64 rules, got 65",
		}},
		{"function with egress", workloads("", `{`+function+`, "trigger_subjects": ["x"], "egress": {"deny": ["*"]}}`), []string{
			path + "[0].egress: it is for workloads with a network, and a v8 function has none",
		}},
		{"many triggers", workloads("", `{`+function+`, "trigger_subjects": ["x"`+strings.Repeat(`, "x"`, 64)+`]}`), []string{
			path + "[0].trigger_subjects: expected at most 64 subjects, got 65",
		}},
	})
}
