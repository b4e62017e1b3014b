//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/function/javascript"
)

func BenchmarkCall(b *testing.B) {
	for _, size := range []int{16, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			benchmark(b, "(subject, payload) => payload", function.Call{Payload: bytes.Repeat([]byte("x"), size)})
		})
	}
}

func BenchmarkCallAsync(b *testing.B) {
	benchmark(b, "async (subject, payload) => payload", function.Call{Payload: []byte("0123456789abcdef")})
}

func BenchmarkCallJSON(b *testing.B) {
	benchmark(b, "(subject, payload) => { const o = JSON.parse(String.fromCharCode(...payload)); o.n++; return o }",
		function.Call{Payload: []byte(`{"n":1,"name":"x"}`)})
}

func BenchmarkCallHeaders(b *testing.B) {
	benchmark(b, "(subject, payload, {headers}) => ({data: payload, headers})", function.Call{
		Payload: []byte("0123456789abcdef"), Header: function.Header{"A": {"1"}, "B": {"2", "3"}},
	})
}

// benchmark measures the calls of a function, one after the other.
func benchmark(b *testing.B, source string, c function.Call) {
	rt := load(b, source)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	c.ID, c.Subject = "4e1cd09d38f74da2", "orders.created"
	c.Deadline, _ = ctx.Deadline()
	b.SetBytes(int64(len(c.Payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.Call(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	cfg := config(b, "(subject, payload) => payload")
	for b.Loop() {
		rt, err := javascript.Load(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		rt.Close()
	}
}
