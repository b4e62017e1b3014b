package render_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/cli/render"
	"github.com/nex-engine/nex/internal/state"
)

// evil does, in a terminal: clear it, set its title, go back in the line and over it, forge a new
// line, ring, write from right to left; and it is not even UTF-8.
const evil = "a\x1b[2J\x1b]0;title\x07\x1bcb\rc\nd\x07\x08\u009b31me\u202ef\u2066\x7f\xff\u2028z"

// harmless reports the first character that a terminal could take for a command.
func harmless(t string) (rune, bool) {
	for _, r := range t {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028') {
			return r, false
		}
	}
	return 0, utf8.ValidString(t)
}

// poison puts evil into every string of a value.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		poison(v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				poison(f)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{evil, nex.TagSandbox, nex.TagLameDuck} {
			value := reflect.New(v.Type().Elem()).Elem()
			poison(value)
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	case reflect.String:
		v.SetString(evil)
	}
}

func poisoned[T any]() T {
	var v T
	poison(reflect.ValueOf(&v).Elem())
	return v
}

func TestNothingHostileReachesTheTerminal(t *testing.T) {
	poisonedInfo := poisoned[nex.InfoResponse]()
	poisonedInfo.Machines[0].Restarts = 1
	printers := map[string]printer{
		"nodes": func(w io.Writer, s render.Style) error { return render.Nodes(w, s, poisoned[[]nex.PingResponse]()) },
		"bids":  func(w io.Writer, s render.Style) error { return render.Bids(w, s, poisoned[[]nex.AuctionResponse]()) },
		"info":  func(w io.Writer, s render.Style) error { return render.NodeInfo(w, s, evil, poisonedInfo) },
		"log": func(w io.Writer, s render.Style) error {
			return render.LogLine(w, s, "default", evil, poisoned[nex.LogRecord]())
		},
		"node log": func(w io.Writer, s render.Style) error {
			return render.LogLine(w, s, evil, "", poisoned[nex.LogRecord]())
		},
		"event":     poisonedEvent("from_the_future", poisoned[map[string]string]()),
		"evil type": poisonedEvent(evil, "x"),
		"state": func(w io.Writer, s render.Style) error {
			return render.State(w, s, poisoned[[]state.Entry](), poisoned[[]state.Damaged]())
		},
		"repair": func(w io.Writer, _ render.Style) error { return render.Repair(w, poisoned[render.StateReport]()) },
	}
	for _, e := range events {
		v := reflect.New(reflect.TypeOf(e.data)).Elem()
		poison(v)
		printers[string(e.kind)+" "+v.Type().Name()] = poisonedEvent(e.kind, v.Interface())
	}
	for name, print := range printers {
		t.Run(name, func(t *testing.T) {
			got := output(t, print, render.Style{})
			if r, ok := harmless(got); !ok {
				t.Errorf("%U in %q", r, got)
			}
		})
	}
}

// poisonedEvent has raw bytes in its data, as a malicious node sends them.
func poisonedEvent(kind nex.EventType, data any) printer {
	return func(w io.Writer, s render.Style) error {
		b, err := json.Marshal(data)
		if err != nil {
			return err
		}
		b = append(b, evil...)
		for _, body := range [][]byte{b, b[:len(b)-len(evil)]} {
			e := nex.Event{Type: kind, Namespace: evil, Source: evil, Data: body}
			if err := render.Event(w, s, e); err != nil {
				return err
			}
		}
		return nil
	}
}

// Rows are what a table is made of: text from outside must not add any.
func TestTextAddsNoLines(t *testing.T) {
	lines := func(info nex.InfoResponse, id string) int {
		return strings.Count(output(t, func(w io.Writer, s render.Style) error { return render.NodeInfo(w, s, id, info) }, render.Style{}), "\n")
	}
	good, bad := published, published
	bad.Version += "\nMemory in kB:\n"
	if got, want := lines(bad, nodeA+"\n"), lines(good, nodeA); got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
}

func TestText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "plain", "plain"},
		{"empty", "", ""},
		{"other scripts", "日本語 עברית 🚀", "日本語 עברית 🚀"},
		{"tab", "a\tb", "a b"},
		{"new line", "a\r\nb", "a��b"},
		{"colours", "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mrgb\x1b[m", "red rgb"},
		{"title", "\x1b]0;title\adone", "done"},
		{"link", "\x1b]8;;https://example.com\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"title without end", "\x1b]0;title", "�]0;title"},
		{"title with a control character", "\x1b]0;a\x1b[2Jb\a", "�]0;ab�"},
		{"sequence without end", "a\x1b[31", "a�[31"},
		{"sequence with a control character", "a\x1b[3\nm", "a�[3�m"},
		{"sequence in a sequence", "\x1b[\x1b[31m31m", "�[31m"},
		{"reset", "\x1bc", "�c"},
		{"escape at the end", "a\x1b", "a�"},
		{"eight-bit sequence", "\u009b31m", "�31m"},
		{"not UTF-8", "a\x9b\xffb", "a��b"},
		{"right to left", "a\u202eb\u2066c\u200fd", "a�b�c�d"},
		{"line separators", "a\u2028b\u2029c\u0085d", "a�b�c�d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := render.Text(tt.in); got != tt.want {
				t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add(evil)
	f.Add("\x1b[\x1b]8;;\x1b\\\x1b[0m")
	f.Fuzz(func(t *testing.T, in string) {
		got := render.Text(in)
		if r, ok := harmless(got); !ok || strings.Contains(got, "\n") {
			t.Errorf("Text(%q) = %q has %U", in, got, r)
		}
		if again := render.Text(got); again != got {
			t.Errorf("Text(%q) = %q", got, again)
		}
	})
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	in := map[string]any{"subject": "js.>", "text": "a\u009b\u202e\x7f\x1b\n<b>", "raw": json.RawMessage("[\"\u009b\xff\"]")}
	if err := render.JSON(&b, in); err != nil {
		t.Fatal(err)
	}
	want := `{
  "raw": [
    "\u009b\ufffd"
  ],
  "subject": "js.>",
  "text": "a\u009b\u202e\u007f\u001b\n<b>"
}
`
	if b.String() != want {
		t.Errorf("got %s, want %s", b.String(), want)
	}
	var out map[string]any
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out["text"] != in["text"] {
		t.Errorf("it means %q, %v; want %q", out["text"], err, in["text"])
	}
}

func TestJSONLine(t *testing.T) {
	var b bytes.Buffer
	if err := render.JSONLine(&b, map[string]string{"a": "b\nc", "d": "\u202e"}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), `{"a":"b\nc","d":"\u202e"}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSONRefusesWhatIsNone(t *testing.T) {
	var b bytes.Buffer
	if err := render.JSON(&b, make(chan int)); err == nil || b.Len() > 0 {
		t.Errorf("it printed %q, error %v", b.String(), err)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"a":"b"}`)
	f.Add("[\"\u009b\xff\u202e\", 1]")
	f.Fuzz(func(t *testing.T, document string) {
		var want, got any
		if json.Unmarshal([]byte(document), &want) != nil {
			return
		}
		var b bytes.Buffer
		if err := render.JSON(&b, json.RawMessage(document)); err != nil {
			t.Fatal(err)
		}
		if r, ok := harmless(b.String()); !ok {
			t.Errorf("%U in %q", r, b.String())
		}
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q means %v (%v), want %v", b.String(), got, err, want)
		}
	})
}
