package client_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

func TestCheckDeployment(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]client.Deployment{
		"service":          {Name: "a", Type: nex.TypeNative, Argv: []string{"-v"}, Essential: true},
		"job":              {Name: "a", Type: nex.TypeNative, Restart: nex.RestartOnFailure},
		"function":         {Name: "a", Type: nex.TypeV8, Triggers: []string{"orders.*", "x.>"}},
		"bounds":           {Name: "a", Type: nex.TypeWasm, Triggers: []string{"x"}, MaxConcurrency: nex.MaxConcurrency, CallTimeout: 5 * time.Minute},
		"sandbox":          {Name: "a", Type: nex.TypeNative, MinSandbox: nex.SandboxGVisor, MemoryMiB: 16, CPUs: 0.01, Egress: nex.Egress{Deny: []string{"*"}}},
		"function's size":  {Name: "a", Type: nex.TypeV8, Triggers: []string{"x"}, MinSandbox: nex.SandboxMicroVM, MemoryMiB: nex.MaxMemoryMiB, CPUs: nex.MaxCPUs},
		"image":            {Name: "a", Type: nex.TypeOCI, Argv: []string{"-v"}, Egress: nex.Egress{Allow: []string{"10.0.0.0/8:4222"}}},
		"nearly reserved":  {Name: "a", Type: nex.TypeV8, Triggers: []string{"$JS", "JS.API", "_INBOXES.x", "*"}},
		"wildcard in deep": {Name: "a", Type: nex.TypeV8, Triggers: []string{"a.*.$JS.>"}},
	} {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckDeploymentRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		d    client.Deployment
		code nex.Code
		says string
	}{
		{"name", client.Deployment{Name: "a b", Type: nex.TypeNative}, nex.CodeInvalidName, "a b"},
		{"type", client.Deployment{Name: "a", Type: "elf"}, nex.CodeUnsupportedType, "elf"},
		{"service with a trigger", client.Deployment{Name: "a", Type: nex.TypeNative, Triggers: []string{"x"}}, nex.CodeUnsupportedTrigger, "native"},
		{"service with calls", client.Deployment{Name: "a", Type: nex.TypeNative, MaxConcurrency: 1}, nex.CodeInvalidRequest, "native"},
		{"service with a time", client.Deployment{Name: "a", Type: nex.TypeNative, CallTimeout: time.Second}, nex.CodeInvalidRequest, "native"},
		{"function without a trigger", client.Deployment{Name: "a", Type: nex.TypeV8}, nex.CodeUnsupportedTrigger, "can never be called"},
		{"too long", client.Deployment{Name: "a", Type: nex.TypeV8, Triggers: []string{"x"}, CallTimeout: 5*time.Minute + 1}, nex.CodeInvalidRequest, "call_timeout_ms"},
		{"too many calls", client.Deployment{Name: "a", Type: nex.TypeV8, Triggers: []string{"x"}, MaxConcurrency: nex.MaxConcurrency + 1}, nex.CodeInvalidRequest, "max_concurrency"},
		{"no subject", client.Deployment{Name: "a", Type: nex.TypeV8, Triggers: []string{"a..b"}}, nex.CodeInvalidRequest, "a..b"},
		{"image with a trigger", client.Deployment{Name: "a", Type: nex.TypeOCI, Triggers: []string{"x"}}, nex.CodeUnsupportedTrigger, "oci"},
		{"no level", client.Deployment{Name: "a", Type: nex.TypeNative, MinSandbox: "castle"}, nex.CodeInvalidRequest, "min_sandbox"},
		{"little memory", client.Deployment{Name: "a", Type: nex.TypeNative, MemoryMiB: 1}, nex.CodeInvalidRequest, "memory_mib"},
		{"negative processors", client.Deployment{Name: "a", Type: nex.TypeNative, CPUs: -1}, nex.CodeInvalidRequest, "cpus"},
		{"no number of processors", client.Deployment{Name: "a", Type: nex.TypeNative, CPUs: math.NaN()}, nex.CodeInvalidRequest, "NaN"},
		{"no rule", client.Deployment{Name: "a", Type: nex.TypeNative, Egress: nex.Egress{Deny: []string{"a b"}}}, nex.CodeInvalidRequest, "egress"},
		{"function with egress", client.Deployment{Name: "a", Type: nex.TypeV8, Triggers: []string{"x"}, Egress: nex.Egress{Allow: []string{"*"}}}, nex.CodeInvalidRequest, "egress"},
		{"no policy", client.Deployment{Name: "a", Type: nex.TypeNative, Restart: "sometimes"}, nex.CodeInvalidRequest, "sometimes"},
		{"essential and never", client.Deployment{Name: "a", Type: nex.TypeNative, Essential: true, Restart: nex.RestartNever}, nex.CodeInvalidRequest, "contradicts essential"},
		{"arguments", client.Deployment{Name: "a", Type: nex.TypeNative, Argv: slices.Repeat([]string{"x"}, nex.MaxArgs+1)}, nex.CodeInvalidRequest, "argv"},
	} {
		err := tt.d.Check()
		if nex.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want code %s and %q", tt.name, err, tt.code, tt.says)
		}
	}
}

// What no node takes as a trigger is known here, also behind wildcards.
func TestCheckDeploymentRefusesReservedSubjects(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"$SYS.x", "$JS.API.>", "$NEX.INFO.default", "$KV.bucket.key", "$O.x", "$SRV.PING", "_INBOX.abc", ">", "*.>", "*.PING", "$JS.*", "$NEX.>",
	} {
		err := client.Deployment{Name: "a", Type: nex.TypeWasm, Triggers: []string{"good", subject}}.Check()
		if nex.CodeOf(err) != nex.CodeTriggerDenied || !strings.Contains(err.Error(), subject) {
			t.Errorf("%s: %v, want code %s", subject, err, nex.CodeTriggerDenied)
		}
	}
}
