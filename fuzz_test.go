package nex_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"testing"
	"unicode/utf8"

	nex "github.com/nex-engine/nex"
)

// coded fails unless a refusal has a code that docs/errors.md lists and a message for people.
func coded(t *testing.T, err error) {
	t.Helper()
	var refusal *nex.Error
	if !errors.As(err, &refusal) || refusal.Code == "" || refusal.Message == "" {
		t.Fatalf("error %v (%T) has no code or no message", err, err)
	}
	if len(refusal.Message) > 1000 {
		t.Fatalf("message has %d bytes", len(refusal.Message))
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		"$NEX.PING", "$NEX.PING." + nodeID, "$NEX.AUCTION", "$NEX.WPING.default.echo", "$NEX.DEPLOY.default." + nodeID,
		"$NEX.LAMEDUCK." + nodeID, "$NEX.PING.", "$NEX.WPING.", "$NEX.INFO..", "$NEX.STOP.*.>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		r, err := nex.ParseRequest(subject)
		if err != nil {
			coded(t, err)
			return
		}
		if r.Subject() != subject {
			t.Fatalf("%q was parsed as %+v, whose subject is %q", subject, r, r.Subject())
		}
		if nex.ResponseType(r.Op) == "" {
			t.Fatalf("%q is of an operation without reply", subject)
		}
	})
}

func FuzzParseLogSubject(f *testing.F) {
	f.Add(nex.LogSubject("default", nodeID, "echo", "id"))
	f.Add(nex.NodeLogSubject(nodeID, "stdout"))
	f.Add("$NEX.logs.system.N.a.b")
	f.Add("$NEX.logs.default.*.*.>")
	f.Fuzz(func(t *testing.T, subject string) {
		s, ok := nex.ParseLogSubject(subject)
		if !ok {
			return
		}
		back := nex.LogSubject(s.Namespace, s.Node, s.Workload, s.ID)
		if s.Workload == "" {
			back = nex.NodeLogSubject(s.Node, s.ID)
		}
		if back != subject {
			t.Fatalf("%q was parsed as %+v, whose subject is %q", subject, s, back)
		}
	})
}

func FuzzLocation(f *testing.F) {
	for _, s := range []string{
		classicLocation, `"nats://B/k"`, `"file:///a"`, `"https://u:p@h:1/a?b#c"`, `{"Scheme":"nats","Opaque":"//B/k"}`,
		`{"Scheme":"file","OmitHost":true,"Path":"//a"}`, `{"Scheme":"nats","Host":"[::1%25a]","Path":"a:b"}`,
		`{"Host":"B","User":{},"Path":"/\u0000","ForceQuery":true,"RawFragment":"%41","Fragment":"A"}`, `null`, `1`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var l, back nex.Location
		if json.Unmarshal(body, &l) != nil {
			return
		}
		if err := l.Check(); err != nil {
			coded(t, err)
			return
		}
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s, made of %s, is not read: %v", b, body, err)
		}
		l.RawPath, l.RawFragment = back.RawPath, back.RawFragment // hints, which the text may make superfluous
		if l.String() != back.String() || !reflect.DeepEqual(l, back) {
			t.Fatalf("%#v became %#v by way of %s", l, back, b)
		}
	})
}

func FuzzDecodeDeployRequest(f *testing.F) {
	f.Add(deployBody(f, nil))
	f.Add(readFile(f, "testdata", "classic_deploy.json"))
	for _, v := range digestVectors(f) {
		f.Add([]byte(v.Request))
	}
	f.Add([]byte(`{"type":"v8","trigger_subjects":["a.>"],"location":{"Scheme":"nats","Opaque":"//B/k"},"workload_jwt":"x","argv":["\ud800"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := nex.DecodeDeployRequest(body)
		if err != nil {
			coded(t, err)
			return
		}
		if !r.Type.Valid() || r.WorkloadJWT == "" || r.Location.Check() != nil || r.Location.CheckType(r.Type) != nil {
			t.Fatalf("accepted %+v", r)
		}
		if (r.MinSandbox != "" && !r.MinSandbox.Valid()) || r.MemoryMiB < 0 || r.MemoryMiB > nex.MaxMemoryMiB ||
			r.CPUs < 0 || r.CPUs > nex.MaxCPUs || (r.Egress != nil && r.Egress.Check() != nil) {
			t.Fatalf("accepted %+v", r)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > nex.MaxRequestBytes { // escapes are longer than what they escape
			return
		}
		back, err := nex.DecodeDeployRequest(b)
		if err != nil {
			t.Fatalf("accepted, but not when passed on: %v\n%s", err, b)
		}
		if r.Digest() != back.Digest() {
			t.Fatalf("another digest when passed on: %s", b)
		}
	})
}

// FuzzDigest makes requests as a client does, of anything, rather than of JSON.
func FuzzDigest(f *testing.F) {
	f.Add("a", "b", "nats", "", "B", "/k", "", "", false)
	f.Add("\xff", "\u2028\\u2029", "https", "u", "h:1", "/%zz\xff", "a=b", "frag", true)
	f.Add("", "", "file", "", "", "//a", "", "", false)
	f.Fuzz(func(t *testing.T, arg, description, scheme, user, host, path, query, fragment string, flag bool) {
		l := nex.Location{
			Scheme: scheme, Host: host, Path: path, RawPath: user, RawQuery: query, Fragment: fragment, ForceQuery: flag, OmitHost: flag,
		}
		if user != "" {
			l.User = url.UserPassword(user, user)
		}
		r := nex.DeployRequest{Argv: []string{arg, description}, Description: description, Location: l, TriggerConnection: &nex.Connection{URL: arg}}
		if l.Check() != nil {
			return // a node would refuse it
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var there nex.DeployRequest
		if json.Unmarshal(b, &there) != nil {
			return // a node would refuse it
		}
		if r.Digest() != there.Digest() {
			t.Fatalf("another digest on the node: %s, %s here and %s there", b, r.Location, there.Location)
		}
	})
}

func FuzzDecodeStopRequest(f *testing.F) {
	f.Add(stopBody(f, nil))
	f.Add(stopBody(f, changes{"grace_ms": 1000, "target_node": nodeID}))
	f.Add(stopBody(f, changes{"grace_ms": 1e300}))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := nex.DecodeStopRequest(body)
		if err != nil {
			coded(t, err)
			return
		}
		if nex.CheckName(r.WorkloadID) != nil || r.WorkloadJWT == "" || r.GraceMillis < 0 || r.GraceMillis > nex.MaxGraceMillis {
			t.Fatalf("accepted %+v", r)
		}
		again(t, *r, func(b []byte) (*nex.StopRequest, error) { return nex.DecodeStopRequest(b) })
	})
}

func FuzzDecodeAuctionRequest(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte(`{"arch":"amd64","os":"linux","sandboxed":true,"tags":{"a":"b"},"workload_types":["native"]}`))
	f.Add([]byte(`{"min_sandbox":"gvisor","memory_mib":512,"explain":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := nex.DecodeAuctionRequest(body)
		if err != nil {
			coded(t, err)
			return
		}
		if (r.MinSandbox != "" && !r.MinSandbox.Valid()) || r.MemoryMiB < 0 {
			t.Fatalf("accepted %+v", r)
		}
		again(t, *r, func(b []byte) (*nex.AuctionRequest, error) { return nex.DecodeAuctionRequest(b) })
	})
}

func FuzzDecodeReply(f *testing.F) {
	for _, s := range []string{
		`{"type":"io.nats.nex.v1.run_response","data":{"started":true},"error":null}`,
		`{"type":"io.nats.nex.v1.run_response","data":"","error":"x"}`,
		`{"type":"io.nats.nex.v1.run_response","data":null,"error":{"a":1},"code":"internal"}`,
		`{"type":"io.nats.nex.v1.run_response","data":null,"error":""}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var data nex.RunResponse
		err := nex.DecodeReply(nex.RunResponseType, body, &data)
		var refusal *nex.Error
		switch {
		case err == nil:
			b, err := nex.EncodeReply(nex.RunResponseType, data)
			if err != nil {
				t.Fatal(err)
			}
			var back nex.RunResponse
			if err := nex.DecodeReply(nex.RunResponseType, b, &back); err != nil || back != data {
				t.Fatalf("%+v became %+v, %v", data, back, err)
			}
		case errors.As(err, &refusal):
			if refusal.Code == "" || refusal.Message == "" {
				t.Fatalf("error %#v has no code or no message", refusal)
			}
			back := nex.DecodeReply(nex.RunResponseType, nex.EncodeError(nex.RunResponseType, refusal), nil)
			if nex.CodeOf(back) != refusal.Code || (utf8.ValidString(refusal.Message) && back.Error() != refusal.Message) {
				t.Fatalf("%#v became %#v", refusal, back)
			}
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"e","source":"N","type":"workload_state","time":"2024-05-06T07:08:09Z","namespace":"default","data":{"id":"w","name":"echo","from":"","to":"starting","reason":"x","exit":{"code":1}}}`))
	f.Add([]byte(`{"specversion":"1.0","type":"heartbeat","data":null}`))
	f.Add([]byte(`{"specversion":"1.0","type":"workload_deployed","data":"\u2028"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := nex.DecodeEvent(body)
		if err != nil {
			return
		}
		name, id := e.Workload()
		change, err := e.StateChange()
		b, encodeErr := json.Marshal(e)
		if encodeErr != nil {
			t.Fatal(encodeErr)
		}
		back, decodeErr := nex.DecodeEvent(b)
		if decodeErr != nil {
			t.Fatalf("%s: %v", b, decodeErr)
		}
		if n, i := back.Workload(); n != name || i != id {
			t.Fatalf("about %q %q, then about %q %q", name, id, n, i)
		}
		if c, _ := back.StateChange(); err == nil && !reflect.DeepEqual(c, change) {
			t.Fatalf("change %+v, then %+v", change, c)
		}
		if c, err := json.Marshal(back); err != nil || !bytes.Equal(b, c) {
			t.Fatalf("%s became %s, %v", b, c, err)
		}
	})
}

func FuzzDecodeLogRecord(f *testing.F) {
	f.Add([]byte(`{"text":"hello","level":0,"id":"w"}`))
	f.Add([]byte(`{"text":"\u0000\ud800","level":-8,"id":"","stream":"nex","time":"2024-05-06T07:08:09.1+02:00","seq":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := nex.DecodeLogRecord(body)
		if err != nil {
			return
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := nex.DecodeLogRecord(b)
		if err != nil || !back.Time.Equal(r.Time) {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
		if back.Time = r.Time; back != r { // the same moment, maybe in another form
			t.Fatalf("%+v became %+v", r, back)
		}
	})
}

// again fails unless a request that was accepted is accepted, as the same, when it is passed on.
func again[T any](t *testing.T, r T, decode func([]byte) (*T, error)) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > nex.MaxRequestBytes { // escapes are longer than what they escape
		return
	}
	back, err := decode(b)
	if err != nil {
		t.Fatalf("accepted, but not when passed on: %v\n%s", err, b)
	}
	first, _ := json.Marshal(r)
	second, _ := json.Marshal(back)
	if !bytes.Equal(first, second) {
		t.Fatalf("%s became %s", first, second)
	}
}
