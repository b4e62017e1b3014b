package client_test

import (
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
		"function":         {Name: "a", Type: nex.TypeV8, Triggers: []string{"orders.*", "x.>"}},
		"bounds":           {Name: "a", Type: nex.TypeWasm, Triggers: []string{"x"}, MaxConcurrency: nex.MaxConcurrency, CallTimeout: 5 * time.Minute},
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
