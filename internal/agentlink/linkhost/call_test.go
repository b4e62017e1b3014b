package linkhost_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/agentlink/linkhost"
	"github.com/nex-engine/nex/internal/agentlink/linktest"
	"github.com/nex-engine/nex/internal/function"
	"github.com/nex-engine/nex/internal/hostapi"
	"github.com/nex-engine/nex/internal/nextest"
)

// call calls and waits for the answer.
func call(t testing.TB, link *linkhost.Link, trigger agentlink.Trigger) agentlink.Answer {
	t.Helper()
	answers := make(chan agentlink.Answer, 2)
	link.Call(trigger, func(a agentlink.Answer) { answers <- a })
	return awaitAnswer(t, answers)
}

func awaitAnswer(t testing.TB, answers <-chan agentlink.Answer) agentlink.Answer {
	t.Helper()
	select {
	case a := <-answers:
		return a
	case <-time.After(nextest.Patience):
		t.Fatal("the call was not answered")
		return agentlink.Answer{}
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	var got agentlink.Trigger
	link := dialFunction(t, &handler{trigger: func(c agentlink.Trigger, answer func(agentlink.Answer)) {
		got = c
		answer(agentlink.Answer{Header: c.Header, Payload: c.Payload})
	}})
	sent := agentlink.Trigger{
		ID: "c1", Subject: "calc.add", Timeout: time.Minute, Header: function.Header{"A": {"1", "2"}},
		Payload: bytes.Repeat([]byte{0, 255}, agentlink.MaxPayloadBytes/2),
	}
	a := call(t, link, sent)
	sent.Number = got.Number
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("the agent got a call %s on %s with %d bytes", got.ID, got.Subject, len(got.Payload))
	}
	if a.Status != 0 || !bytes.Equal(a.Payload, sent.Payload) || !reflect.DeepEqual(a.Header, sent.Header) {
		t.Errorf("the answer has status %d, %d bytes and headers %v", a.Status, len(a.Payload), a.Header)
	}
}

func TestManyCalls(t *testing.T) {
	t.Parallel()
	link := dialFunction(t, &handler{trigger: func(c agentlink.Trigger, answer func(agentlink.Answer)) {
		go answer(agentlink.Answer{Payload: c.Payload}) // in any order
	}})
	const calls = 2000
	var group sync.WaitGroup
	group.Add(calls)
	wrong := make(chan string, calls)
	for i := range calls {
		want := fmt.Sprint(i)
		link.Call(agentlink.Trigger{Timeout: nextest.Patience, Payload: []byte(want)}, func(a agentlink.Answer) {
			defer group.Done()
			if string(a.Payload) != want {
				wrong <- fmt.Sprintf("call %s is answered %q with status %d", want, a.Payload, a.Status)
			}
		})
	}
	group.Wait()
	close(wrong)
	for w := range wrong {
		t.Error(w)
	}
}

// An agent that does not answer is not waited for much longer than the call may take.
func TestCallThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	late := make(chan func(agentlink.Answer), 1)
	link := dialFunction(t, &handler{trigger: func(_ agentlink.Trigger, answer func(agentlink.Answer)) { late <- answer }})
	if a := call(t, link, agentlink.Trigger{Timeout: time.Millisecond}); a.Status != function.StatusTimeout {
		t.Errorf("answer = %+v, want status %d", a, function.StatusTimeout)
	}
	(<-late)(agentlink.Answer{}) // comes to nothing, in particular not to a second answer
	if err := link.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// Calls end with their agent, and those that come later are not sent to it.
func TestCallOfAnAgentThatEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*linkhost.Link){
		"abandoned": func(l *linkhost.Link) { l.Abandon(agentlink.Answer{Status: 500, Message: "memory ran out"}) },
		"closed":    func(l *linkhost.Link) { l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken := make(chan struct{}, 1)
			link := dialFunction(t, &handler{trigger: func(agentlink.Trigger, func(agentlink.Answer)) { taken <- struct{}{} }})
			answers := make(chan agentlink.Answer, 2)
			link.Call(agentlink.Trigger{Timeout: time.Hour}, func(a agentlink.Answer) { answers <- a })
			<-taken
			end(link)
			first := awaitAnswer(t, answers)
			if first.Status != function.StatusFailed || first.Message == "" {
				t.Errorf("answer = %+v, want status %d and a reason", first, function.StatusFailed)
			}
			if again := call(t, link, agentlink.Trigger{Timeout: time.Hour}); !reflect.DeepEqual(again, first) {
				t.Errorf("a later call is answered %+v, want %+v", again, first)
			}
		})
	}
}

func TestCallThatDoesNotFit(t *testing.T) {
	t.Parallel()
	link := dialFunction(t, &handler{})
	huge := function.Header{"A": {strings.Repeat("x", agentlink.MaxFrameBytes)}}
	if a := call(t, link, agentlink.Trigger{Timeout: time.Minute, Header: huge}); a.Status != function.StatusTooLarge {
		t.Errorf("answer = %+v, want status %d", a, function.StatusTooLarge)
	}
}

// An agent that was taken over can answer anything; its callers get no more than an error.
func TestMadeUpAnswers(t *testing.T) {
	t.Parallel()
	link, b := admit(t, linktest.StartHost(t), "A")
	conn := connectCalls(t, b)
	answers := make(chan agentlink.Answer, 1)
	link.Call(agentlink.Trigger{Timeout: nextest.Patience}, func(a agentlink.Answer) { answers <- a })
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-1)
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatal(err)
	}
	call, err := agentlink.ParseTrigger(body)
	if err != nil || head[4] != byte(agentlink.KindTrigger) {
		t.Fatalf("the agent got %c %q: %v", head[4], body, err)
	}
	for _, forgery := range [][]byte{nil, {0xff}, []byte("nonsense"), agentlink.AppendAnswer(nil, agentlink.Answer{Number: call.Number + 1})} {
		writeFrame(t, conn, byte(agentlink.KindAnswer), forgery)
	}
	writeFrame(t, conn, 'x', []byte("of no kind"))
	writeFrame(t, conn, byte(agentlink.KindAnswer), append(binary.AppendUvarint(nil, call.Number), 7))
	a := awaitAnswer(t, answers)
	if a.Status != function.StatusFailed || !strings.Contains(a.Message, "cannot be read") {
		t.Errorf("answer = %+v, want status %d", a, function.StatusFailed)
	}
}

// An agent that sends what cannot be read is given up.
func TestMalformedStream(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string][]byte{"empty": {0, 0, 0, 0}, "too large": {0xff, 0xff, 0xff, 0xff, 'A'}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, b := admit(t, linktest.StartHost(t), "A")
			if _, err := connectCalls(t, b).Write(frame); err != nil {
				t.Fatal(err)
			}
			select {
			case <-link.Lost():
			case <-time.After(nextest.Patience):
				t.Error("the link is kept")
			}
		})
	}
}

// An agent that has closed its stream, perhaps in the middle of a frame, takes no more calls.
func TestClosedStream(t *testing.T) {
	t.Parallel()
	for name, last := range map[string][]byte{"between frames": nil, "cut off": {0, 0, 1, 0, 'A', 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, b := admit(t, linktest.StartHost(t), "A")
			conn := connectCalls(t, b)
			answers := make(chan agentlink.Answer, 1)
			link.Call(agentlink.Trigger{Timeout: time.Hour}, func(a agentlink.Answer) { answers <- a })
			if _, err := conn.Write(last); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			nextest.Await(t, "calls are refused", func() bool {
				refused := make(chan agentlink.Answer, 1)
				link.Call(agentlink.Trigger{Timeout: time.Hour}, func(a agentlink.Answer) { refused <- a })
				return len(refused) > 0
			})
			select {
			case <-link.Lost():
			case <-time.After(nextest.Patience):
				t.Error("the link to an agent that takes no calls any more is kept")
			}
			link.Close()
			if a := awaitAnswer(t, answers); a.Status != function.StatusFailed || a.Message == "" {
				t.Errorf("answer = %+v, want status %d and a reason", a, function.StatusFailed)
			}
		})
	}
}

// Before there is a function nothing can be called.
func TestCallBeforeDeploy(t *testing.T) {
	t.Parallel()
	link, _ := dial(t, &handler{})
	if a := call(t, link, agentlink.Trigger{Timeout: time.Minute}); a.Status != function.StatusFailed {
		t.Errorf("answer = %+v, want status %d", a, function.StatusFailed)
	}
}

// Answers that were given arrive before the end of the workload does.
func TestAnswersComeBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for range 20 {
		const calls = 20
		taken := make(chan func(agentlink.Answer), calls)
		link := dialFunction(t, &handler{
			trigger: func(_ agentlink.Trigger, answer func(agentlink.Answer)) { taken <- answer },
			undeploy: func(agentlink.Undeploy) agentlink.Exited {
				for range calls {
					(<-taken)(agentlink.Answer{Payload: make([]byte, 64<<10)})
				}
				return agentlink.Exited{}
			},
		})
		var answered atomic.Int64
		for range calls {
			link.Call(agentlink.Trigger{Timeout: nextest.Patience}, func(agentlink.Answer) { answered.Add(1) })
		}
		if _, err := link.Undeploy(t.Context(), nextest.Patience); err != nil {
			t.Fatal(err)
		}
		if n := answered.Load(); n != calls {
			t.Fatalf("%d of %d calls were answered when the workload had ended", n, calls)
		}
	}
}

// serving deploys with host services that answer as given.
func serving(t *testing.T, host func(context.Context, hostapi.Request) (hostapi.Response, error)) (*linkhost.Link, *agentlink.Conn) {
	t.Helper()
	link, c := dial(t, &handler{})
	e := ignored
	e.Host = host
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, e); err != nil {
		t.Fatal(err)
	}
	return link, c
}

func TestHostServices(t *testing.T) {
	t.Parallel()
	want := hostapi.Request{Service: hostapi.KV, Method: "set", Meta: []byte(`{"key":"a"}`), Body: bytes.Repeat([]byte{7}, agentlink.MaxPayloadBytes-100)}
	_, c := serving(t, func(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
		if d, ok := ctx.Deadline(); !ok || time.Until(d) > time.Minute {
			t.Errorf("the request has until %v, want the caller's minute", d)
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("the node got %s.%s %s with %d bytes", r.Service, r.Method, r.Meta, len(r.Body))
		}
		return hostapi.Response{Meta: []byte(`{"ok":true}`), Body: r.Body}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := c.Request(ctx, want)
	if err != nil || string(got.Meta) != `{"ok":true}` || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("Request = %s and %d bytes, %v", got.Meta, len(got.Body), err)
	}
}

func TestHostServiceFailures(t *testing.T) {
	t.Parallel()
	link, c := serving(t, func(ctx context.Context, r hostapi.Request) (hostapi.Response, error) {
		switch r.Method {
		case "get":
			return hostapi.Response{}, hostapi.Errorf(hostapi.CodeNotFound, "no such key")
		case "set":
			return hostapi.Response{}, errors.New("a mistake")
		case "keys":
			return hostapi.Response{Body: make([]byte, agentlink.MaxPayloadBytes+1)}, nil
		}
		<-ctx.Done()
		return hostapi.Response{}, hostapi.Errorf(hostapi.CodeTimeout, "it ended")
	})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for _, tt := range []struct {
		ctx    context.Context
		method string
		body   []byte
		want   hostapi.Code
	}{
		{t.Context(), "get", nil, hostapi.CodeNotFound},
		{t.Context(), "set", nil, hostapi.CodeInternal},
		{t.Context(), "keys", nil, hostapi.CodeTooLarge},
		{t.Context(), "get", make([]byte, agentlink.MaxPayloadBytes+1), hostapi.CodeTooLarge},
		{t.Context(), "destroy", nil, hostapi.CodeInvalid},
		{short, "delete", nil, hostapi.CodeTimeout},
	} {
		_, err := c.Request(tt.ctx, hostapi.Request{Service: hostapi.KV, Method: tt.method, Body: tt.body})
		var failure *hostapi.Error
		if !errors.As(err, &failure) || failure.Code != tt.want || failure.Message == "" {
			t.Errorf("kv.%s = %v, want code %s", tt.method, err, tt.want)
		}
	}

	// A request does not outlive the link.
	ended := make(chan error, 1)
	go func() {
		_, err := c.Request(context.Background(), hostapi.Request{Service: hostapi.KV, Method: "delete"})
		ended <- err
	}()
	link.Close()
	if err := <-ended; err == nil {
		t.Error("a request succeeded whose link was closed")
	}
}

func TestNoHostServices(t *testing.T) {
	t.Parallel()
	_, c := dial(t, &handler{})
	_, err := c.Request(t.Context(), hostapi.Request{Service: hostapi.KV, Method: "get"})
	var failure *hostapi.Error
	if !errors.As(err, &failure) || failure.Code != hostapi.CodeDenied {
		t.Errorf("before a deploy: %v, want code %s", err, hostapi.CodeDenied)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	link, c := dial(t, &handler{})
	heard := make(chan agentlink.Usage, 1)
	e := linkhost.Events{Logs: func([]nex.LogRecord, bool) {}, Exited: func(nex.Exit) bool { return true }, Usage: func(u agentlink.Usage) { heard <- u }}
	if _, err := link.Deploy(t.Context(), agentlink.Deploy{}, e); err != nil {
		t.Fatal(err)
	}
	if err := c.Usage(agentlink.Usage{MemoryBytes: 42}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got.MemoryBytes != 42 {
		t.Errorf("usage = %+v", got)
	}
}

func BenchmarkCall(b *testing.B) {
	link := dialFunction(b, &handler{})
	answers := make(chan agentlink.Answer, 1)
	payload := make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		link.Call(agentlink.Trigger{ID: "c", Subject: "js.echo", Timeout: time.Minute, Payload: payload}, func(a agentlink.Answer) { answers <- a })
		<-answers
	}
}

// An agent that hangs is given up; one that is slow is not.
func TestAgentThatHangs(t *testing.T) {
	t.Parallel()
	link, b := admit(t, linktest.StartHost(t), "A")
	connect(t, b) // takes nothing
	connectCalls(t, b)
	slow := dialFunction(t, &handler{trigger: func(agentlink.Trigger, func(agentlink.Answer)) {}})
	for _, l := range []*linkhost.Link{link, slow} {
		l.Call(agentlink.Trigger{Timeout: time.Millisecond}, func(agentlink.Answer) {})
	}
	select {
	case <-link.Lost():
	case <-time.After(nextest.Patience):
		t.Error("the link to an agent that hangs is kept")
	}
	if err := slow.Ping(t.Context()); err != nil {
		t.Errorf("the link to an agent that is slow: %v", err)
	}
}
