package guest_test

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/nex-engine/nex/guest"
)

func TestDecodeHeader(t *testing.T) {
	wire := "\x01\x00\x00\x00a\x02\x00\x00\x00bc\x01\x00\x00\x00a\x00\x00\x00\x00"
	h, err := guest.DecodeHeader([]byte(wire))
	if want := (guest.Header{"a": {"bc", ""}}); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("DecodeHeader = %q, %v, want %q", h, err, want)
	}
	if h.Get("a") != "bc" || h.Get("b") != "" {
		t.Errorf("Get = %q, %q", h.Get("a"), h.Get("b"))
	}
	if h, err := guest.DecodeHeader(nil); h != nil || err != nil {
		t.Errorf("of nothing it is %q, %v", h, err)
	}
}

// FuzzDecodeHeader: what is decoded has all the bytes, or is an error.
func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00a\x02\x00\x00\x00bc"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		h, err := guest.DecodeHeader(wire)
		if err != nil {
			return
		}
		size := 0
		for name, values := range h {
			for _, value := range values {
				size += 8 + len(name) + len(value)
			}
		}
		if size != len(wire) {
			t.Errorf("%d bytes became headers of %d", len(wire), size)
		}
	})
}

func TestSplit(t *testing.T) {
	messages, err := guest.Split([]byte("xyz"), 2, 0, 1)
	if err != nil || len(messages) != 3 || string(messages[0].Payload) != "xy" || string(messages[2].Payload) != "z" {
		t.Errorf("Split = %q, %v", messages, err)
	}
	for _, sizes := range [][]int{{4}, {-1}, {2, 2}, {math.MaxInt, math.MaxInt}} {
		if _, err := guest.Split([]byte("xyz"), sizes...); err == nil {
			t.Errorf("sizes %d of 3 bytes are no error", sizes)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{-1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2} {
		if got := guest.Milliseconds(d); got != want {
			t.Errorf("Milliseconds(%s) = %d, want %d", d, got, want)
		}
	}
}

// TestNotHosted: on another machine everything is there, and services say what is wrong.
func TestNotHosted(t *testing.T) {
	_, get := guest.KV.Get("a")
	_, list := guest.ObjectStore.List()
	_, request := guest.Messaging.Request(guest.Message{Subject: "a"}, time.Second)
	_, response := guest.HTTP.Get("http://localhost/")
	for _, err := range []error{get, list, request, response} {
		if !errors.Is(err, guest.ErrNotHosted) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestErrors(t *testing.T) {
	err := error(&guest.Error{Code: guest.CodeNotFound, Message: "there is no key a"})
	if !guest.IsNotFound(err) || guest.IsNotFound(&guest.Error{Code: guest.CodeBusy}) || guest.IsNotFound(nil) {
		t.Error("IsNotFound does not tell the codes apart")
	}
	failure, ok := errors.AsType[*guest.Failure](guest.Fail(404, "no %s", "order"))
	if !ok || failure.Status != 404 || failure.Error() != "no order" {
		t.Errorf("Fail = %+v", failure)
	}
}
