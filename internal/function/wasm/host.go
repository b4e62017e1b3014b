package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/function"
)

// moduleNex is the import module with the functions for guests.
const moduleNex = "nex"

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// hostFunction is a function that modules can import. Its run gets the parameters on the stack and
// leaves its result there.
type hostFunction struct {
	name    string
	params  []api.ValueType
	results []api.ValueType
	run     func(c *call, memory api.Memory, stack []uint64)
}

// hostFunctions are documented in guest/README.md.
var hostFunctions = []hostFunction{
	{"subject", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "subject", s[0], s[1], c.in.Subject)
	}},
	{"payload", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "payload", s[0], s[1], c.in.Payload)
	}},
	{"headers", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "headers", s[0], s[1], encodeHeader(c.in.Header))
	}},
	{"id", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "id", s[0], s[1], c.in.ID)
	}},
	{"deadline", nil, []api.ValueType{i64}, func(c *call, _ api.Memory, s []uint64) {
		s[0] = 0
		if !c.in.Deadline.IsZero() {
			s[0] = uint64(c.in.Deadline.UnixNano())
		}
	}},
	{"reply", []api.ValueType{i32, i32}, nil, func(c *call, m api.Memory, s []uint64) {
		c.wantMessage("reply")
		c.addReply(take(m, "reply", s[0], s[1]))
	}},
	{"reply_header", []api.ValueType{i32, i32, i32, i32}, nil, func(c *call, m api.Memory, s []uint64) {
		c.wantMessage("reply_header")
		c.addHeader(string(take(m, "reply_header", s[0], s[1])), string(take(m, "reply_header", s[2], s[3])))
	}},
	{"fail", []api.ValueType{i32, i32, i32}, nil, func(c *call, m api.Memory, s []uint64) {
		c.wantMessage("fail")
		c.fail(int32(s[0]), take(m, "fail", s[1], s[2]))
	}},
	{"log", []api.ValueType{i32, i32, i32}, nil, func(c *call, m api.Memory, s []uint64) {
		c.log(slog.Level(int32(s[0])), take(m, "log", s[1], s[2]))
	}},
	{"request", []api.ValueType{i32, i32, i32, i32, i32, i32, i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		c.wantMessage("request")
		s[0] = c.request(take(m, "request", s[0], s[1]), take(m, "request", s[2], s[3]),
			take(m, "request", s[4], s[5]), take(m, "request", s[6], s[7]))
	}},
	{"response_meta", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "response_meta", s[0], s[1], []byte(c.answer.Meta))
	}},
	{"response_body", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(c *call, m api.Memory, s []uint64) {
		s[0] = give(m, "response_body", s[0], s[1], c.answer.Body)
	}},
}

func nexModule(r wazero.Runtime) wazero.HostModuleBuilder {
	b := r.NewHostModuleBuilder(moduleNex)
	for _, f := range hostFunctions {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			f.run(callOf(ctx), m.Memory(), stack)
		}), f.params, f.results).Export(f.name)
	}
	return b
}

// take returns what the guest points to. It lies in the guest's memory and is good until the function
// that the guest has called returns. A bad pointer ends the call.
func take(m api.Memory, name string, pointer, length uint64) []byte {
	b, ok := m.Read(uint32(pointer), uint32(length))
	if !ok {
		panic(outside(m, name, pointer, length))
	}
	return b
}

// give copies as much of content as there is room for to where the guest points, and returns how long
// content is.
func give[T string | []byte](m api.Memory, name string, pointer, room uint64, content T) uint64 {
	n := min(uint64(len(content)), uint64(uint32(room)))
	b, ok := m.Read(uint32(pointer), uint32(n))
	if !ok {
		panic(outside(m, name, pointer, n))
	}
	copy(b, content[:n])
	return uint64(len(content))
}

func outside(m api.Memory, name string, pointer, length uint64) error {
	return fmt.Errorf("%s.%s: %d bytes at %d do not lie in its memory of %d bytes", moduleNex, name, uint32(length), uint32(pointer), m.Size())
}

// wantMessage ends what calls a function that is for calls alone while there is none.
func (c *call) wantMessage(name string) {
	if c.starting {
		panic(fmt.Errorf("%s.%s can be called only while a message is being handled", moduleNex, name))
	}
}

// fail makes the call fail when the function has ended. A status that is none for failures counts as 500.
func (c *call) fail(status int32, message []byte) {
	if status < 400 || status > 599 {
		status = function.StatusFailed
	}
	text := sentence(string(message[:min(len(message), 4*maxMessage)]))
	if text == "" {
		text = "the function failed and did not say why"
	}
	c.failure = &function.Error{Status: int(status), Message: text}
}

// log logs lines.
func (c *call) log(level slog.Level, text []byte) {
	l := lines{slot: c.slot, stream: nex.StreamStdout, level: level}
	if level >= slog.LevelWarn {
		l.stream = nex.StreamStderr
	}
	if len(text) == 0 {
		text = []byte("\n")
	}
	_, _ = l.Write(text) // does not fail
	l.flush()
}

// maxHeaderBytes bounds a reply's headers, names and values together.
const maxHeaderBytes = 64 << 10

// addHeader adds a header to the reply.
func (c *call) addHeader(name, value string) {
	bad := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r >= 0x7f }):
		panic(fmt.Errorf("%s.reply_header: %.60q is no name of a header", moduleNex, name))
	case strings.ContainsFunc(value, bad):
		panic(fmt.Errorf("%s.reply_header: the value of %s has control characters", moduleNex, sentence(name)))
	case c.headerBytes+len(name)+len(value) > maxHeaderBytes:
		panic(fmt.Errorf("%s.reply_header: the headers have more than %d bytes", moduleNex, maxHeaderBytes))
	}
	c.headerBytes += len(name) + len(value)
	if c.header == nil {
		c.header = function.Header{}
	}
	c.header[name] = append(c.header[name], value)
}

// encodeHeader writes headers as guests read them: for each value the name and the value, each after
// its length as a 32-bit number, lowest byte first. Names come in no particular order.
func encodeHeader(h function.Header) []byte {
	var out []byte
	for name, values := range h {
		for _, value := range values {
			if len(name)+len(value) > math.MaxInt32-len(out)-8 {
				return out
			}
			out = appendField(appendField(out, name), value)
		}
	}
	return out
}
