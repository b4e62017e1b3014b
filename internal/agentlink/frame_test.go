package agentlink_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
)

func TestTriggerFrame(t *testing.T) {
	for _, want := range []agentlink.Trigger{
		{Payload: []byte{}},
		{Number: 300, ID: "c1", Subject: "js.echo", Timeout: 5 * time.Second, Payload: []byte("hello")},
		{
			ID: "c1", Subject: "ü", Timeout: math.MaxInt64,
			Header: function.Header{"A": {"1", "", "ä"}, "Nats-b": {"2"}}, Payload: bytes.Repeat([]byte{0, 255}, 1<<16),
		},
	} {
		b := agentlink.AppendTrigger([]byte("before"), want)
		got, err := agentlink.ParseTrigger(b[len("before"):])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseTrigger = %+v, %v, want %+v", got, err, want)
		}
	}
	late, err := agentlink.ParseTrigger(agentlink.AppendTrigger(nil, agentlink.Trigger{Timeout: -time.Second}))
	if err != nil || late.Timeout != 0 {
		t.Errorf("a call that is too late arrives as %+v, %v, want timeout 0", late, err)
	}
}

func TestAnswerFrame(t *testing.T) {
	for _, want := range []agentlink.Answer{
		{Payload: []byte{}},
		{Number: 7, Header: function.Header{"A": {"1"}}, Payload: []byte("hello")},
		{Status: 404, Message: "no such thing", Payload: []byte{}},
	} {
		got, err := agentlink.ParseAnswer(agentlink.AppendAnswer(nil, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseAnswer = %+v, %v, want %+v", got, err, want)
		}
	}
}

// What an agent says is not believed: it ends up in messages to others.
func TestAnswerFrameRefused(t *testing.T) {
	header := func(name, value string) []byte {
		return agentlink.AppendAnswer(nil, agentlink.Answer{Header: function.Header{name: {value}}})
	}
	for name, frame := range map[string][]byte{
		"empty":                  {},
		"status that is none":    agentlink.AppendAnswer(nil, agentlink.Answer{Status: 200}),
		"large status":           agentlink.AppendAnswer(nil, agentlink.Answer{Status: 600}),
		"truncated message":      {0, 0, 5, 'a'},
		"more headers than fit":  {0, 0, 0, 0xff, 0xff, 0xff, 0x7f},
		"number without end":     bytes.Repeat([]byte{0xff}, 20),
		"length beyond all":      {0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"header without name":    header("", "x"),
		"header name with colon": header("a:b", "x"),
		"header name with space": header("a b", "x"),
		"line break in value":    header("a", "x\r\nb: y"),
		"line feed in name":      header("a\nb", "x"),
		"NUL in value":           header("a", "\x00"),
		"trace of a server":      header("nats-Trace-Dest", "$NEX.LAMEDUCK.N"),
		"status of a server":     header("Status", "503"),
		"large header":           header("a", strings.Repeat("x", 64<<10)),
	} {
		if a, err := agentlink.ParseAnswer(frame); err == nil {
			t.Errorf("%s: ParseAnswer = %+v, want an error", name, a)
		}
	}
}

func TestHostFrames(t *testing.T) {
	want := hostapi.Request{Meta: []byte(`{"key":"a"}`), Body: []byte("value")}
	got, timeout, err := agentlink.ParseHostRequest(agentlink.AppendHostRequest(nil, want, time.Second))
	if err != nil || timeout != time.Second || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseHostRequest = %+v, %s, %v, want %+v", got, timeout, err, want)
	}
	answer := hostapi.Response{Meta: []byte(`{}`), Body: []byte("value")}
	if got, err := agentlink.ParseHostResponse(agentlink.AppendHostResponse(nil, answer, nil)); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("ParseHostResponse = %+v, %v, want %+v", got, err, answer)
	}
	failure := hostapi.Errorf(hostapi.CodeDenied, "no")
	_, err = agentlink.ParseHostResponse(agentlink.AppendHostResponse(nil, answer, failure))
	if !reflect.DeepEqual(err, error(failure)) {
		t.Errorf("error = %#v, want %#v", err, failure)
	}
	var malformed *hostapi.Error
	if _, err := agentlink.ParseHostResponse(nil); !errors.As(err, &malformed) || malformed.Code != hostapi.CodeInternal {
		t.Errorf("error of an empty frame = %v, want code %s", err, hostapi.CodeInternal)
	}
}

// FuzzFrames: no bytes make a parser panic or keep more than they are, and what was understood is
// said the same way again.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	f.Add(agentlink.AppendTrigger(nil, agentlink.Trigger{ID: "c", Subject: "s", Timeout: 1, Header: function.Header{"A": {"1", "2"}}, Payload: []byte("p")}))
	f.Add(agentlink.AppendAnswer(nil, agentlink.Answer{Status: 404, Message: "m", Header: function.Header{"A": {"1"}}}))
	f.Add(agentlink.AppendHostRequest(nil, hostapi.Request{Meta: []byte("{}"), Body: []byte("b")}, time.Second))
	f.Add(agentlink.AppendHostResponse(nil, hostapi.Response{}, hostapi.Errorf(hostapi.CodeBusy, "m")))
	f.Fuzz(func(t *testing.T, in []byte) {
		if a, err := agentlink.ParseTrigger(in); err == nil {
			b, err := agentlink.ParseTrigger(agentlink.AppendTrigger(nil, a))
			if err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("%+v becomes %+v, %v", a, b, err)
			}
		}
		if a, err := agentlink.ParseAnswer(in); err == nil {
			b, err := agentlink.ParseAnswer(agentlink.AppendAnswer(nil, a))
			if err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("%+v becomes %+v, %v", a, b, err)
			}
			for name, values := range a.Header {
				if strings.ContainsAny(name+strings.Join(values, ""), "\r\n") {
					t.Errorf("a header with a line break passes: %q", a.Header)
				}
			}
		}
		if a, timeout, err := agentlink.ParseHostRequest(in); err == nil {
			b, again, err := agentlink.ParseHostRequest(agentlink.AppendHostRequest(nil, a, timeout))
			if err != nil || again != timeout || !reflect.DeepEqual(a, b) {
				t.Errorf("%+v becomes %+v, %v", a, b, err)
			}
		}
		if a, err := agentlink.ParseHostResponse(in); err == nil {
			b, err := agentlink.ParseHostResponse(agentlink.AppendHostResponse(nil, a, nil))
			if err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("%+v becomes %+v, %v", a, b, err)
			}
		}
	})
}
