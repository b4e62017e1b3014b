package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

// problemsOf are the problems of a text, a line each.
func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err == nil {
		return nil
	}
	if c != nil {
		t.Error("there is a configuration besides the error")
	}
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || len(problems) == 0 {
		t.Fatalf("error %v has no problems", err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Error())
	}
	return lines
}

// problemCase is a text and what is wrong with it.
type problemCase struct {
	name, text string
	want       []string
}

func testProblems(t *testing.T, tests []problemCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := problemsOf(t, tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("problems of %s\ngot:\n%s\nwant:\n%s", tt.text, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestShape(t *testing.T) {
	const hint = " (there are no comments, and no comma before } or ])"
	testProblems(t, []problemCase{
		{"empty", " \n", []string{"it is empty: write {} to take the defaults"}},
		{"syntax", "{\n  \"nexus\": \"a\",\n}", []string{"line 3: it is not JSON: invalid character '}' looking for beginning of object key string" + hint}},
		{"line break in a string", "{\n\"nexus\": \"a\nb\"}", []string{"line 2: it is not JSON: invalid character '\\n' in string literal" + hint}},
		{"truncated", "{\n\"nexus\":\n", []string{"line 2: it is not JSON: unexpected end of JSON input" + hint}},
		{"trailing data", "{}\n{}", []string{"line 2: it is not JSON: invalid character '{' after top-level value" + hint}},
		{"not an object", "[1, {}]", []string{"line 1: expected an object, got a list"}},
		{"null", "null", []string{"line 1: expected an object, got null: leave the field out to take its default"}},

		{"unknown", `{"workers": 1}`, []string{"line 1: workers: there is no such field"}},
		{"unknown below", `{"restart": {"delay": 1}}`, []string{"line 1: restart.delay: there is no such field: those here are max_starts"}},
		{"other case", `{"No_Sandbox": true}`, []string{"line 1: No_Sandbox: there is no such field: did you mean no_sandbox?"}},
		{"other style", `{"machinePoolSize": 1}`, []string{"line 1: machinePoolSize: there is no such field: did you mean machine_pool_size?"}},
		{"longer", `{"host_services_config": {"a": [{}]}}`, []string{"line 1: host_services_config: there is no such field: did you mean host_services?"}},
		{
			"misspelled in a list", `{"autostart": {"workloads": [{"name": "a", "type": "native", "locaton": "x", "location": "nats://B/a"}]}}`,
			[]string{"line 1: autostart.workloads[0].locaton: there is no such field: did you mean autostart.workloads[0].location?"},
		},
		{"odd name", `{"a b\n": 1, "": 2}`, []string{`line 1: ["a b\n"]: there is no such field`, `line 1: [""]: there is no such field`}},
		{"long name", `{"` + strings.Repeat("x", 100) + `": 1}`, []string{"line 1: " + strings.Repeat("x", 64) + "…: there is no such field"}},

		{"string", `{"nexus": true}`, []string{"line 1: nexus: expected a string, got true"}},
		{"number", `{"machine_pool_size": "1"}`, []string{"line 1: machine_pool_size: expected a number, got a string"}},
		{"boolean", `{"no_sandbox": "true"}`, []string{"line 1: no_sandbox: expected true or false, got a string"}},
		{"optional boolean", `{"require_bound_claims": 1}`, []string{"line 1: require_bound_claims: expected true or false, got a number"}},
		{"list", `{"bin_path": "/bin"}`, []string{"line 1: bin_path: expected a list, got a string"}},
		{"element", `{"bin_path": ["/bin", [2]]}`, []string{"line 1: bin_path[1]: expected a string, got a list"}},
		{"object", `{"cni": []}`, []string{"line 1: cni: expected an object, got a list"}},
		{"optional object", `{"rate_limiters": {"iops": false}}`, []string{"line 1: rate_limiters.iops: expected an object, got false"}},
		{"value of a map", `{"tags": {"a.b": 1}}`, []string{`line 1: tags["a.b"]: expected a string, got a number`}},
		{"server options", `{"public_nats_server": "port: 4222"}`, []string{"line 1: public_nats_server: expected an object, got a string"}},
		{"wrong element of objects", `{"autostart": {"workloads": [3]}}`, []string{"line 1: autostart.workloads[0]: expected an object, got a number"}},
		{"null field", `{"nexus": null}`, []string{"line 1: nexus: expected a string, got null: leave the field out to take its default"}},
		{"fraction", `{"machine_pool_size": 1.5}`, []string{"line 1: machine_pool_size: expected a whole number, got 1.5: write it without point and exponent"}},
		{"exponent", `{"cache_max_bytes": 1e9}`, []string{"line 1: cache_max_bytes: expected a whole number, got 1e9: write it without point and exponent"}},
		{"huge", `{"cache_max_bytes": 92233720368547758070}`, []string{"line 1: cache_max_bytes: expected a whole number, got one that is too large"}},

		{"twice", "{\"nexus\": \"a\",\n\n\"nexus\": \"b\"}", []string{"line 3: nexus: it is given twice, the first time on line 1: remove one of them"}},
		{"twice in a map", `{"tags": {"a": "1", "\u0061": "2"}}`, []string{"line 1: tags.a: it is given twice, the first time on line 1: remove one of them"}},
		{"twice in server options", `{"public_nats_server": {"a": [{"b": 1, "b": 2}]}}`, []string{"line 1: public_nats_server.a[0].b: it is given twice, the first time on line 1: remove one of them"}},

		{"all at once, by line", "{\n\"cni\": {\"subnet\": \"x\"},\n\"nexus\": 1,\n\"otel_metrics_port\": 70000, \"what\": {\n}, \"no_sandbox\": 0}", []string{
			`line 2: cni.subnet: expected an IPv4 network from /16 to /29 such as 192.168.127.0/24, got "x"`,
			"line 3: nexus: expected a string, got a number",
			"line 4: what: there is no such field",
			"line 4: otel_metrics_port: expected a number from 0 to 65535, got 70000",
			"line 5: no_sandbox: expected true or false, got a number",
		}},
	})
}

func TestDeepNesting(t *testing.T) {
	const deep = 5000
	text := `{"public_nats_server": {"a": ` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}, "nexus": ""}`
	got := problemsOf(t, text)
	if len(got) != 2 || !strings.Contains(got[0], "deeper than 64 levels") || !strings.Contains(got[1], "nexus: ") {
		t.Errorf("problems = %q", got)
	}
}
