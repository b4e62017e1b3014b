//go:build cgo && linux && (amd64 || arm64)

package javascript_test

import (
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function/javascript"
)

// Headers that are accepted can be sent.
func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte(`{"A":["1","ü"],"x-y_z!":[]}`))
	f.Add([]byte(`{"a b":["1"]}`))
	f.Add([]byte(`{"a":["1\r\nb: 2"]}`))
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		header, err := javascript.DecodeHeader(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error = %q, want one line", err)
			}
			return
		}
		for name, values := range header {
			if name == "" || strings.ContainsAny(name, ": \r\n\x00\x7f") {
				t.Errorf("there is a header %q", name)
			}
			for _, value := range values {
				if strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("the header %q has the value %q", name, value)
				}
			}
		}
	})
}
