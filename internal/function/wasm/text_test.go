package wasm_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nex-engine/nex/internal/function/wasm"
)

// FuzzSentence: any text becomes one short line of UTF-8.
func FuzzSentence(f *testing.F) {
	f.Add("a\nb")
	f.Add("\xff\u2028\x85")
	f.Add(strings.Repeat("ä", 2000))
	f.Fuzz(func(t *testing.T, text string) {
		got := wasm.Sentence(text)
		if len(got) > 1024 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q", got)
		}
		if wasm.Sentence(got) != got {
			t.Errorf("%q becomes %q", got, wasm.Sentence(got))
		}
	})
}
