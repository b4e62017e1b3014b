package guest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
	"unicode"

	"github.com/nex-engine/nex/internal/guest"
)

func framed(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// FuzzRequest: what is a request is the same when it is written and read again.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"op":"state"}`, `{"op":"stage","file":{"name":"a","size":3}}`, `{"op":"stage","file":{"name":"../a","size":-1}}`,
		`{"op":"configure","limits":{"cpus":1.5,"pids":3}}`, `{"op":"configure"}`, `{"op":"ended","exit":{"code":-1,"signal":"SIGKILL"}}`,
		`{"op":"boot","boot":{"id":"a","bootstrap":"YQ==","entropy":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","time":"2030-01-01T00:00:00Z","network":{"address":"10.0.0.2/30","gateway":"10.0.0.1"},"limits":{}}}`,
		`{"op":"state","more":1}`, `{"op":"state"}{}`, `null`, ``,
	} {
		f.Add(framed(s))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, '{'})
	f.Fuzz(func(t *testing.T, sent []byte) {
		var w bytes.Buffer
		first, second, err := guest.RoundTripRequest(bytes.NewReader(sent), &w)
		if err == nil && !reflect.DeepEqual(first, second) {
			t.Errorf("%+v became %+v", first, second)
		}
		if err != nil && first != nil {
			t.Errorf("%+v cannot be written and read again: %v", first, err)
		}
	})
}

// FuzzReply: what a VM answers can be printed.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"error":"no\nspace \u001b[1m"}`, `{"path":"/run/nex/in/a"}`, `{"path":"/a b"}`,
		`{"state":{"id":"a","booted":true,"staged":["a"]}}`, `{"state":{"staged":["../a"]}}`,
	} {
		f.Add(framed(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		text, path, state, err := guest.ReadReply(bytes.NewReader(sent))
		if err != nil {
			return
		}
		for _, c := range text + path {
			if unicode.IsControl(c) && c < 0x80 {
				t.Errorf("%q, %q have control characters", text, path)
			}
		}
		if state != nil && len(state.Staged) > guest.MaxStaged {
			t.Errorf("%d files", len(state.Staged))
		}
	})
}

// FuzzVM: whatever a VM says, its session ends with it, and the node is told of no more than one end.
func FuzzVM(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9})
	open := []byte{0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0}
	ended := framed(`{"op":"ended","exit":{"code":1}}`)
	data := append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0, 0, 0, 0, 2}, uint32(len(ended))), ended...)
	f.Add(append(bytes.Clone(open), data...))
	link := framed(`{"op":"link"}`)
	f.Add(append(append(bytes.Clone(open), binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0, 0, 0, 0, 2}, uint32(len(link)))...), link...))
	f.Fuzz(func(t *testing.T, sent []byte) {
		here, there := net.Pipe()
		go func() {
			answerAs(there, guest.Version)
			drained := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, there) // ends with here, or there
				close(drained)
			}()
			_, _ = there.Write(sent) // the node may have had enough
			there.Close()
			<-drained
		}()
		p := newPeer()
		ctx, cancel := context.WithTimeout(t.Context(), waiting)
		defer cancel()
		s, err := guest.Connect(ctx, here, p)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Done():
		case <-time.After(waiting):
			t.Fatal("the session does not end")
		}
		s.Close()
		p.links.Wait()
		if len(p.exits) > 1 {
			t.Errorf("%d ends", len(p.exits))
		}
	})
}
