//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strings"
	"unicode/utf8"

	v8 "github.com/tommie/v8go"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

// hostObject makes what the core is given of the Go side: functions, and a few numbers. The functions
// are for the core alone, which keeps to what they expect.
func (v *vm) hostObject() (*v8.Object, error) {
	value, err := v.ctx.RunScript("({__proto__: null})", ownPrefix+"host.js")
	if err != nil {
		return nil, err
	}
	host, err := value.AsObject()
	if err != nil {
		return nil, err
	}
	for name, f := range map[string]func(args []*v8.Value) *v8.Value{
		"attach":   v.onAttach,
		"decode":   v.onDecode,
		"encode":   v.onEncode,
		"random":   v.onRandom,
		"now":      v.onNow,
		"print":    v.onPrint,
		"request":  v.onRequest,
		"start":    v.onStart,
		"fill":     v.onFill,
		"parseURL": v.onParseURL,
		"setURL":   v.onSetURL,
	} {
		if err := host.Set(name, v.callback(f)); err != nil {
			return nil, err
		}
	}
	if err := host.Set("maxResult", float64(v.cfg.MaxResultBytes)); err != nil {
		return nil, err
	}
	if err := host.Set("mailbox", int32(mailboxSize)); err != nil {
		return nil, err
	}
	environment := v.cfg.Environment
	if environment == nil {
		environment = map[string]string{}
	}
	text, err := json.Marshal(environment)
	if err != nil {
		return nil, err
	}
	return host, host.Set("environment", string(text))
}

// callback makes a function of the isolate that calls f. What f is given is released after it, and
// what it returns a little later: V8 has yet to see it.
func (v *vm) callback(f func(args []*v8.Value) *v8.Value) *v8.Function {
	template := v8.NewFunctionTemplate(v.iso, func(info *v8.FunctionCallbackInfo) *v8.Value {
		defer info.Release()
		v.releaseTexts()
		return f(info.Args())
	})
	return template.GetFunction(v.ctx)
}

// text makes a string of the isolate, or nothing if it is too long for one.
func (v *vm) text(s string) *v8.Value {
	value, err := v8.NewValue(v.iso, s)
	if err != nil {
		return nil
	}
	v.texts = append(v.texts, value)
	return value
}

func (v *vm) onAttach(args []*v8.Value) *v8.Value {
	if err := v.box.attach(args[0]); err != nil {
		panic(err) // the core has passed something that is no SharedArrayBuffer
	}
	return nil
}

// onDecode makes a string of B bytes from A of the mailbox. C asks for nothing in its place if they
// are no UTF-8.
func (v *vm) onDecode([]*v8.Value) *v8.Value {
	from, size := v.box.word(wordA), v.box.word(wordB)
	bytes := v.box.data()[from : from+size]
	if v.box.word(wordC) != 0 && !utf8.Valid(bytes) {
		return nil
	}
	return v.text(string(bytes))
}

// onEncode writes a string to the mailbox from A and its length to B.
func (v *vm) onEncode(args []*v8.Value) *v8.Value {
	v.box.setWord(wordB, copy(v.box.data()[v.box.word(wordA):], args[0].String()))
	return nil
}

func (v *vm) onRandom([]*v8.Value) *v8.Value {
	_, _ = rand.Read(v.box.data()[:v.box.word(wordA)]) // never fails
	return nil
}

func (v *vm) onNow([]*v8.Value) *v8.Value {
	v.box.setNumber(numberNow, v.now())
	return nil
}

func (v *vm) onParseURL(args []*v8.Value) *v8.Value {
	base, hasBase := "", len(args) > 1 && !args[1].IsUndefined()
	if hasBase {
		base = args[1].String()
	}
	if text, ok := parseURL(args[0].String(), base, hasBase); ok {
		return v.text(text)
	}
	return nil
}

func (v *vm) onSetURL(args []*v8.Value) *v8.Value {
	if text, ok := setURL(args[0].String(), args[1].String(), args[2].String()); ok {
		return v.text(text)
	}
	return nil
}

// levels are those of the digits with which printed text begins, and the stream of each.
var levels = [...]struct {
	level  slog.Level
	stream string
}{
	{slog.LevelDebug, nex.StreamStdout},
	{slog.LevelInfo, nex.StreamStdout},
	{slog.LevelWarn, nex.StreamStderr},
	{slog.LevelError, nex.StreamStderr},
}

// onPrint prints text that may have several lines; its first character is the level.
func (v *vm) onPrint(args []*v8.Value) *v8.Value {
	text := args[0].String()
	at := levels[text[0]-'0']
	for line := range strings.SplitSeq(v.program.frames.lines(text[1:]), "\n") {
		for len(line) > nex.MaxLogLine {
			var piece string
			piece, line = cutLine(line)
			v.cfg.Log(function.LogLine{Level: at.level, Stream: at.stream, Text: piece})
		}
		v.cfg.Log(function.LogLine{Level: at.level, Stream: at.stream, Text: strings.TrimSuffix(line, "\r")})
	}
	return nil
}

// cutLine cuts a line that is too long for one record, between characters.
func cutLine(line string) (piece, rest string) {
	n := nex.MaxLogLine
	for n > nex.MaxLogLine-utf8.UTFMax && !utf8.RuneStart(line[n]) {
		n--
	}
	return line[:n], line[n:]
}
