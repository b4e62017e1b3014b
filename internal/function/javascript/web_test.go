//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// evaluator is a function that runs its payload, the body of an async function, and returns the
// result as JSON. That body may use two helpers: thrown is the name of what a function throws, and
// rejected that of what a promise is rejected with.
const evaluator = `
const AsyncFunction = (async () => {}).constructor;
const thrown = (f) => {
  try {
    f();
  } catch (e) {
    return e.name;
  }
  return 'nothing';
};
const rejected = (p) => p.then(() => 'nothing', (e) => e.name);
const text = (bytes) => {
  let s = '';
  for (const c of bytes) s += String.fromCharCode(c);
  return decodeURIComponent(escape(s));
};
async (subject, payload) => {
  const body = new AsyncFunction('thrown', 'rejected', text(payload));
  return JSON.stringify(await body(thrown, rejected));
}
`

// hostFunc answers host service requests.
type hostFunc func(ctx context.Context, r hostapi.Request) (hostapi.Response, error)

func (f hostFunc) Request(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
	return f(ctx, r)
}

func noHost(context.Context, hostapi.Request) (hostapi.Response, error) {
	return hostapi.Response{}, hostapi.Errorf(hostapi.CodeDenied, "no host service is allowed in this test")
}

// web is a runtime with the evaluator.
type web struct {
	runtime function.Runtime
	logged  chan function.LogLine
}

func startWeb(t *testing.T, host hostFunc) *web {
	t.Helper()
	path := filepath.Join(t.TempDir(), "evaluator.js")
	if err := os.WriteFile(path, []byte(evaluator), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &web{logged: make(chan function.LogLine, 100)}
	var err error
	w.runtime, err = javascript.Load(t.Context(), function.Config{
		Name: "evaluator", Namespace: "default", ID: "ID", Path: path, Concurrency: 1,
		MemoryBytes: 128 << 20, MaxResultBytes: 1 << 20, Host: host,
		Log: func(l function.LogLine) { w.logged <- l },
	})
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	t.Cleanup(w.runtime.Close)
	return w
}

// eval runs the body of an async function and returns its result as JSON.
func (w *web) eval(t *testing.T, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	r, err := w.runtime.Call(ctx, function.Call{ID: "1", Subject: "test", Payload: []byte(body), Deadline: deadline})
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	return string(r.Payload)
}

// fact is something that holds in the runtime.
type fact struct{ name, js, want string }

func checkFacts(t *testing.T, facts []fact) {
	t.Helper()
	startWeb(t, noHost).check(t, facts)
}

func (w *web) check(t *testing.T, facts []fact) {
	t.Helper()
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			if got := w.eval(t, f.js); !reflect.DeepEqual(decode(t, got), decode(t, f.want)) {
				t.Errorf("%s\n got %s\nwant %s", f.js, got, f.want)
			}
		})
	}
}

// decode makes values of JSON, because there is more than one way to write a string.
func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q is not JSON: %v", text, err)
	}
	return v
}
