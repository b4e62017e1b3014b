package nex_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

// Keys in form only: package nex does not check their checksums.
var (
	nodeID = "N" + strings.Repeat("A", 55)
	xkey   = "X" + strings.Repeat("B", 55)
)

// changes are members of a JSON object to set; null removes one, and a json.RawMessage is taken as
// it is.
type changes map[string]any

var null any

// deployBody is the least that a node accepts, changed.
func deployBody(t testing.TB, c changes) []byte {
	t.Helper()
	return encode(t, changes{"type": "native", "location": "nats://B/k", "workload_jwt": "a.b.c"}, c)
}

// stopBody is the least that a node accepts, changed.
func stopBody(t testing.TB, c changes) []byte {
	t.Helper()
	return encode(t, changes{"workload_id": "w1", "workload_jwt": "a.b.c"}, c)
}

func encode(t testing.TB, base, c changes) []byte {
	t.Helper()
	all := maps.Clone(base)
	for key, value := range c {
		if value == null {
			delete(all, key)
		} else {
			all[key] = value
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantRefusal checks that err is a refusal with the code and says in its message what is the matter.
func wantRefusal(t *testing.T, err error, code nex.Code, says string) {
	t.Helper()
	var refusal *nex.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error = %v (%T), want one with code %s", err, err, code)
	}
	if refusal.Code != code {
		t.Errorf("code = %s, want %s (%v)", refusal.Code, code, err)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("message = %q, want it to say %q", err, says)
	}
	if strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
		t.Errorf("message %q is more than a sentence", err)
	}
}
