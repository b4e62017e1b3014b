//go:build cgo && linux && (amd64 || arm64)

package jsbundle_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
	"github.com/nex-engine/nex/internal/hostapi"
)

// store answers every kv get with the key.
type store struct{}

func (store) Request(_ context.Context, r hostapi.Request) (hostapi.Response, error) {
	var key hostapi.KeyRequest
	err := json.Unmarshal(r.Meta, &key)
	return hostapi.Response{Body: []byte("the value of " + key.Key)}, err
}

// What is made of each kind of file is a function that the runtime loads and calls.
func TestScriptsRun(t *testing.T) {
	for _, tt := range []struct{ file, payload, want string }{
		{"plain/echo.js", "hello", "hello"},
		{"good/module.js", "x", `{"text":"HELLO NEXHELLO NEX","page":"<p>page</p>","subject":"test.subject"}`},
		{"good/arrow.mjs", "key", "the value of key"},
		{"good/common.cjs", "hello", "HELLO"},
		{"good/common.js", "x", "test.subject"},
		{"good/browser.mjs", "x", "id digest0 stamp"},
		{"good/alias.mts", "x", "test.subjecttest.subject"},
		{"typed/fn.ts", `{"id":7}`, "7:Large"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(path, build(t, tt.file).Code, 0o600); err != nil {
				t.Fatal(err)
			}
			rt, err := javascript.Load(t.Context(), function.Config{
				Name: "fn", Namespace: "default", ID: "w1", Path: path, Concurrency: 1, MemoryBytes: 128 << 20, MaxResultBytes: 1 << 20,
				Host: store{}, Log: func(l function.LogLine) { t.Log(l.Text) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer rt.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			deadline, _ := ctx.Deadline()
			got, err := rt.Call(ctx, function.Call{ID: "c1", Subject: "test.subject", Payload: []byte(tt.payload), Deadline: deadline})
			if err != nil || string(got.Payload) != tt.want {
				t.Errorf("the reply = %q, %v, want %q", got.Payload, err, tt.want)
			}
		})
	}
}
