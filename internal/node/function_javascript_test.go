package node_test

import (
	"context"
	"testing"

	nex "github.com/nex-engine/nex"
)

// TestJavaScriptThatCannotBeLoaded shows that who deploys it is told why and where.
func TestJavaScriptThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Functions.MemoryMiB = 16 })
	r.neighbour()
	for _, c := range []struct{ name, source, text string }{
		{"syntax", "const a = 1;\n(subject, payload) => {", "syntax.js:2:24"},
		{"nofunction", `({ answer: 42 })`, "must be the function"},
		{"throws", "null.property;\n(subject, payload) => payload", "throws.js:1:6"},
		{"nothing", " \n", "must be the function"},
		{"binary", "\x00\xff\xfe\x7fELF", "NUL byte in line 1"},
		{"grabs", "const a = []; for (;;) a.push(new Array(1000).fill(1))", "memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := r.on(t)
			in.unloadable(in.js(c.name, "bad", c.source), c.text)
			in.answering()
			in.clean()
		})
	}
	r.unharmed()
}

// TestJavaScriptThatLoadsForEver shows that a function which never becomes ready can be stopped.
func TestJavaScriptThatLoadsForEver(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.neighbour()
	d := r.js("bad", "bad", `console.log("begun"); while (1) {}`)
	answer, err := r.client.Deploy(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	id := answer.ID
	r.awaitLine(id, "begun")
	if m, _ := r.workload(id); m.State != nex.StateStarting {
		t.Errorf("state = %s, want %s", m.State, nex.StateStarting)
	}
	r.answering()
	r.undeploy(d, id)
	r.unharmed()
}

// misbehaving does what the payload says, and answers it when that is well.
const misbehaving = `(subject, payload) => {
	const does = new TextDecoder().decode(payload);
	const a = [];
	switch (does) {
	case "throw":     throw new TypeError("no such luck");
	case "refuse":    throw Object.assign(new Error("there is no such thing"), { code: 404 });
	case "cycle":     a.push(a); return a;
	case "bigint":    return { n: 1n };
	case "symbol":    return Symbol("s");
	case "reject":    return Promise.reject(new RangeError("not today"));
	case "never":     return new Promise(() => {});
	case "ticks":     return new Promise(() => setInterval(() => {}, 1));
	case "loop":      while (1) {}
	case "recursion": return (function f() { return f() + 1; })();
	case "large":     return new Uint8Array(64 << 20);
	case "regexp":    return /^(a+)+$/.test("a".repeat(64) + "b");
	case "header":    return { data: "", headers: { "a\r\nb": "c" } };
	}
	return does;
}`

// TestJavaScriptThatMisbehaves shows that each call is answered, and that no other call notices.
func TestJavaScriptThatMisbehaves(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Functions.CallTimeoutMs = 500 })
	r.neighbour()
	d := r.js("bad", "bad", misbehaving)
	id := r.deploy(d)
	for _, c := range []struct {
		does   string
		status int
		text   string
	}{
		{"throw", 500, "TypeError: no such luck"},
		{"refuse", 404, "there is no such thing"},
		{"cycle", 500, "(a cycle)"},
		{"bigint", 500, "BigInt"},
		{"symbol", 500, "symbol"},
		{"reject", 500, "RangeError: not today"},
		{"never", 500, "can never settle"},
		{"ticks", 408, "deadline"},
		{"loop", 408, "deadline"},
		{"recursion", 500, "Maximum call stack size exceeded"},
		{"large", 413, "67108864 bytes"},
		{"regexp", 408, "deadline"},
		{"header", 500, "header"},
	} {
		t.Run(c.does, func(t *testing.T) {
			in := r.on(t)
			in.fails("bad", c.does, c.status, c.text)
			in.gives("bad", "well", "well")
			in.answering()
		})
	}
	if n := r.restarts(id); n != 0 {
		t.Errorf("the function was restarted %d times, want its agent to outlive all that", n)
	}
	r.awaitLine(id, "bad.js:5:") // where it throws
	r.undeploy(d, id)
	r.unharmed()
}

// TestJavaScriptThatTakesTooMuchMemory lets a function grow past the limit of V8's heap, which V8 may
// notice too late, and beside it, of which V8 knows nothing.
func TestJavaScriptThatTakesTooMuchMemory(t *testing.T) {
	t.Parallel()
	r := start(t, func(s *setup) { s.Functions.MemoryMiB, s.Functions.MaxConcurrency = 16, 1 })
	r.neighbour()
	d := r.js("bad", "bad", `(subject, payload) => {
		const a = [];
		switch (String.fromCharCode(...payload)) {
		case "heap":   for (;;) a.push(new Array(1000).fill(1));
		case "beside": for (;;) a.push(new Uint8Array(1 << 20).fill(1));
		}
		return "well";
	}`)
	id := r.deploy(d)
	answered := r.answeringMeanwhile()
	for restarts := range 2 {
		r.fails("bad", "heap", 500, "memory")
		r.eventuallyGives("bad", "well", "well")
		r.fails("bad", "beside", 500, "memory")
		r.await(id, "the function was restarted", func(m nex.MachineInfo) bool {
			return m.State == nex.StateRunning && m.Restarts > restarts
		})
		r.gives("bad", "well", "well")
	}
	if n := answered(); n < 5 {
		t.Errorf("the neighbour has answered %d calls meanwhile", n)
	}
	r.undeploy(d, id)
	r.unharmed()
}

// answeringMeanwhile calls the neighbour again and again, until the function that it returns is called,
// which says how often it has answered.
func (r *rig) answeringMeanwhile() (stop func() int) {
	ctx, cancel := context.WithCancel(r.Context())
	calls := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if m, err := r.nc.Request("neighbour.echo", []byte("hey"), inTime); err != nil || string(m.Data) != "hey" {
				r.Errorf("call %d of the neighbour: %v, %v", n, m, err)
				break
			}
		}
		<-ctx.Done()
		calls <- n
	}()
	return func() int {
		cancel()
		return <-calls
	}
}
