package nex_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestErrorIs(t *testing.T) {
	err := fmt.Errorf("stop echo: %w", nex.Errorf(nex.CodeWorkloadNotFound, "no workload %s", "w1"))
	if !errors.Is(err, nex.ErrWorkloadNotFound) {
		t.Error("it is no ErrWorkloadNotFound")
	}
	if errors.Is(err, nex.ErrNodeNotFound) || errors.Is(err, errors.New("no workload w1")) {
		t.Error("it is another error")
	}
	if err.Error() != "stop echo: no workload w1" {
		t.Errorf("message = %q", err)
	}
}

func TestCodeOf(t *testing.T) {
	inner := nex.Errorf(nex.CodeTimeout, "late")
	tests := []struct {
		name string
		err  error
		want nex.Code
	}{
		{"none", nil, ""},
		{"plain", errors.New("x"), nex.CodeInternal},
		{"itself", inner, nex.CodeTimeout},
		{"wrapped", fmt.Errorf("x: %w", inner), nex.CodeTimeout},
		{"joined", errors.Join(errors.New("x"), inner, nex.ErrNodeFull), nex.CodeTimeout},
		{"sentinel", nex.ErrArtifactTooLarge, nex.CodeArtifactTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := nex.CodeOf(tt.err); got != tt.want {
				t.Errorf("code = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCodesAreComplete(t *testing.T) {
	declared := constants(t, "Code")
	if len(declared) < 20 {
		t.Fatalf("only %d constants of type Code found in the source", len(declared))
	}
	listed := make(map[nex.Code]int)
	texts := make(map[string]nex.Code)
	for _, c := range nex.Codes {
		listed[c.Code]++
		for _, text := range []string{c.Means, c.Do} {
			if !strings.HasSuffix(text, ".") || strings.TrimSpace(text) != text {
				t.Errorf("%s: %q is no sentence", c.Code, text)
			}
		}
		if other, ok := texts[c.Means]; ok {
			t.Errorf("%s means the same as %s", c.Code, other)
		}
		texts[c.Means] = c.Code
		if c.Status < 400 || c.Status > 599 || c.Code.Status() != c.Status {
			t.Errorf("%s: status %d, listed as %d", c.Code, c.Code.Status(), c.Status)
		}
	}
	values := make(map[string]string)
	for name, value := range declared {
		if other, ok := values[value]; ok {
			t.Errorf("%s and %s are both %q", name, other, value)
		}
		values[value] = name
		if n := listed[nex.Code(value)]; n != 1 {
			t.Errorf("%s is %d times in Codes, want once", name, n)
		}
		if strings.Trim(value, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%s: code %q is not in lower case and underscores", name, value)
		}
		delete(listed, nex.Code(value))
	}
	for code := range listed {
		t.Errorf("Codes has %q, which is no constant", code)
	}
}

func TestUnknownCodeStatus(t *testing.T) {
	for _, c := range []nex.Code{"", "too_blue"} {
		if got := c.Status(); got != 500 {
			t.Errorf("status of %q = %d, want 500", c, got)
		}
	}
}

// What clients of version 1 compare texts with must not change.
func TestClassicTexts(t *testing.T) {
	for err, want := range map[error]string{
		nex.ErrLameDuck:         "Node is in lame duck mode. Workload deploy request denied",
		nex.ErrNodeFull:         "Node is at maximum workload limit. Deploy request denied",
		nex.ErrArtifactTooLarge: "Workload file size would exceed node limitations",
	} {
		if err.Error() != want {
			t.Errorf("text = %q, want %q", err, want)
		}
	}
}
