package wasm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/wasm/wasmtest"
)

// TestExamples builds and runs the functions of the examples folder.
func TestExamples(t *testing.T) {
	for name, path := range examples(t) {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(name, "command") {
				checkEcho(t, path)
			} else {
				checkCounter(t, path)
			}
		})
	}
}

func checkEcho(t *testing.T, path string) {
	rt := load(t, path, nil)
	for subject, payload := range map[string]string{"wasm.echo": "hello", "größe": "\x00\xff\n", "empty": ""} {
		result, err := call(rt, function.Call{Subject: subject, Payload: []byte(payload)})
		if err != nil || string(result.Payload) != payload+subject {
			t.Errorf("%q, %q: the reply is %q, %v", subject, payload, result.Payload, err)
		}
	}
}

// checkCounter checks that counts are kept by the host, not in the instance.
func checkCounter(t *testing.T, path string) {
	host, compiled := newStore(), file(t, loadKept(t, path, ""))
	var log []string
	change := func(c *function.Config) {
		c.Host, c.Compiled = host, compiled
		c.Log = func(l function.LogLine) { log = append(log, l.Text) }
	}
	rt := load(t, path, change)
	want := func(subject, payload, count string) {
		t.Helper()
		result, err := call(rt, function.Call{Subject: subject, Payload: []byte(payload)})
		if err != nil || string(result.Payload) != count || !slices.Equal(result.Header["Count-Of"], []string{subject}) {
			t.Errorf("%s: the reply is %q with %q, %v; want %s", subject, result.Payload, result.Header, err, count)
		}
	}
	want("count.a", "", "1")
	want("count.a", "", "2")
	want("count.b", "", "1")
	rt.Close()
	rt = load(t, path, change)
	want("count.a", "", "3")
	want("count.a", "reset", "1")
	if log[0] != "call 1 on count.a" {
		t.Errorf("the log begins with %q", log[0])
	}

	host.values["count.a"] = []byte("many")
	_, err := call(rt, function.Call{Subject: "count.a"})
	if e := failure(t, err, 409); e.Message != "the key count.a is not a count" {
		t.Errorf("the message = %q", e.Message)
	}
}

// TestRustLibrary runs the tests of the crate nex-guest itself.
func TestRustLibrary(t *testing.T) {
	if err := wasmtest.TestRust("guest/rust"); err != nil {
		t.Error(err)
	}
}
