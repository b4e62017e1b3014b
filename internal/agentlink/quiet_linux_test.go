package agentlink_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
)

// quietSockets are the two ends of a connection, of which the first is quiet.
func quietSockets(t *testing.T) (quiet, other net.Conn) {
	t.Helper()
	a, b := sockets(t)
	quiet = agentlink.Quiet(a)
	t.Cleanup(func() { quiet.Close() })
	if quiet == a {
		t.Fatal("the connection is what it was")
	}
	return quiet, b
}

// What arrives wakes; that the other end has read does not.
func TestQuietIsNotWokenInVain(t *testing.T) {
	t.Parallel()
	quiet, other := quietSockets(t)
	if _, err := quiet.Write([]byte("call")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := other.Read(buf); err != nil || string(buf[:n]) != "call" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
	if agentlink.Woken(quiet) {
		t.Error("woken when the other end had read")
	}
	if _, err := other.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if !agentlink.Woken(quiet) {
		t.Error("not woken by what has arrived")
	}
}

// Much more than the socket holds goes both ways at once, in parts of all sizes, and then ends.
func TestQuietCarries(t *testing.T) {
	t.Parallel()
	quiet, other := quietSockets(t)
	sent := bytes.Repeat([]byte("0123456789abcdefg"), 300_000)
	errs := make(chan error, 2)
	send := func(c net.Conn) {
		var err error
		for rest, size := sent, 1; len(rest) > 0 && err == nil; size = size*3 + 1 {
			n := min(size, len(rest))
			_, err = c.Write(rest[:n])
			rest = rest[n:]
		}
		errs <- err
	}
	go send(quiet)
	go send(other)
	received := make(chan []byte)
	go func() {
		got := make([]byte, len(sent))
		n, _ := io.ReadFull(other, got)
		received <- got[:n]
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(quiet, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("what has arrived is not what was sent: %v", err)
	}
	if !bytes.Equal(<-received, sent) {
		t.Error("what was sent has not arrived")
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	other.Close()
	if n, err := quiet.Read(got); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v, want EOF", n, err)
	}
}

// Close ends reading and writing, and the other end.
func TestQuietClose(t *testing.T) {
	t.Parallel()
	quiet, other := quietSockets(t)
	errs := make(chan error, 2)
	go func() {
		_, err := quiet.Read(make([]byte, 1))
		errs <- err
	}()
	go func() {
		_, err := quiet.Write(make([]byte, 64<<20)) // nobody reads it
		errs <- err
	}()
	if err := quiet.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("an error of a closed connection is %v", err)
		}
	}
	if _, err := io.Copy(io.Discard, other); err != nil {
		t.Errorf("the other end does not end: %v", err)
	}
	if _, err := quiet.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close = %v", err)
	}
	if _, err := quiet.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close = %v", err)
	}
	if err := quiet.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}

// What has arrived before CloseRead can be read, and nothing later.
func TestQuietCloseRead(t *testing.T) {
	t.Parallel()
	quiet, other := quietSockets(t)
	if _, err := other.Write([]byte("before")); err != nil {
		t.Fatal(err)
	}
	if err := quiet.(interface{ CloseRead() error }).CloseRead(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(quiet); err != nil || string(got) != "before" {
		t.Errorf("what was read is %q, %v", got, err)
	}
}

// Deadlines end waiting, and only that.
func TestQuietDeadline(t *testing.T) {
	t.Parallel()
	quiet, other := quietSockets(t)
	if err := quiet.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := quiet.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	if _, err := quiet.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v", err)
	}
	if err := quiet.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := quiet.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}

// A connection of another kind stays what it is.
func TestQuietOfAnotherKind(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer b.Close()
	defer a.Close()
	if agentlink.Quiet(a) != a {
		t.Error("the connection is another")
	}
}
