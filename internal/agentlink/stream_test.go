package agentlink_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/nextest"
)

// sockets are the two ends of a connection.
func sockets(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// Frames arrive whole and in order, however large they are and however they are sent, and the other end
// may be slow.
func TestStream(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func() (net.Conn, net.Conn){
		"socket": func() (net.Conn, net.Conn) { return sockets(t) },
		"pipe":   net.Pipe, // has no file descriptor
		"quiet": func() (net.Conn, net.Conn) {
			a, b := sockets(t)
			return agentlink.Quiet(a), agentlink.Quiet(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := ends()
			from, to := agentlink.NewStream(a, math.MaxInt), agentlink.NewStream(b, math.MaxInt)
			defer to.Close()
			taken := make(chan struct{})
			sizes := []int{0, 1, 16, 70 << 10, 3 << 20, 5, agentlink.MaxPayloadBytes, 0}
			go func() {
				for i, size := range sizes {
					if err := from.SendAnswer(agentlink.Answer{Number: uint64(i), Payload: bytes.Repeat([]byte{byte(i)}, size)}, i%2 == 0); err != nil {
						t.Error(err)
					}
				}
				if err := from.SendSync(); err != nil {
					t.Error(err)
				}
				<-taken // Close waits for a moment only
				from.Close()
			}()
			next, synced := 0, false
			err := to.Receive(func(kind agentlink.Kind, body []byte) {
				if kind == agentlink.KindSync {
					synced = true
					close(taken)
					return
				}
				a, err := agentlink.ParseAnswer(body)
				if err != nil || kind != agentlink.KindAnswer || a.Number != uint64(next) || len(a.Payload) != sizes[next] {
					t.Errorf("frame %d is a %c with number %d and %d bytes: %v", next, kind, a.Number, len(a.Payload), err)
				}
				next++
			})
			if !errors.Is(err, io.EOF) || next != len(sizes) || !synced {
				t.Errorf("Receive = %v after %d frames", err, next)
			}
		})
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	a, b := sockets(t)
	s, other := agentlink.NewStream(a, math.MaxInt), agentlink.NewStream(b, math.MaxInt)
	defer other.Close()
	huge := make([]byte, agentlink.MaxFrameBytes)
	if err := s.SendAnswer(agentlink.Answer{Payload: huge}, true); !errors.Is(err, agentlink.ErrFrameTooLarge) {
		t.Errorf("SendAnswer of a frame that is too large = %v", err)
	}
	s.Close()
	s.Close()
	if err := s.SendTrigger(agentlink.Trigger{}, true); !errors.Is(err, agentlink.ErrStreamClosed) {
		t.Errorf("SendTrigger on a closed stream = %v", err)
	}
	if err := other.Receive(func(kind agentlink.Kind, _ []byte) { t.Errorf("a frame of kind %c arrived", kind) }); !errors.Is(err, io.EOF) {
		t.Errorf("Receive = %v, want the end", err)
	}
}

// Nobody waits for an end that takes nothing.
func TestStreamThatStalls(t *testing.T) {
	t.Parallel()
	a, _ := sockets(t)
	s := agentlink.NewStream(a, math.MaxInt)
	for range 4 {
		if err := s.SendAnswer(agentlink.Answer{Payload: make([]byte, agentlink.MaxPayloadBytes)}, true); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan struct{})
	go func() {
		s.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(nextest.Patience):
		t.Error("Close waits for an end that reads nothing")
	}
}

// An end that reads nothing ends the stream, instead of letting the memory of the other grow.
func TestStreamIsBounded(t *testing.T) {
	t.Parallel()
	a, _ := sockets(t)
	s := agentlink.NewStream(a, 1)
	defer s.Close()
	for sent := 0; ; sent += 1 << 20 {
		if err := s.SendAnswer(agentlink.Answer{Payload: make([]byte, 1<<20)}, false); errors.Is(err, agentlink.ErrStreamClosed) {
			break
		}
		if sent > 4*agentlink.MaxFrameBytes {
			t.Fatal("the stream goes on although nobody reads")
		}
	}
	if err := s.Receive(func(agentlink.Kind, []byte) {}); err == nil {
		t.Error("Receive ends without a reason")
	}
}

// Questions whether all was taken are answered once for all that wait.
func TestSyncsAreFew(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe() // takes nothing until it is read
	s, other := agentlink.NewStream(a, math.MaxInt), agentlink.NewStream(b, math.MaxInt)
	defer other.Close()
	for range 1000 {
		if err := s.SendSync(); err != nil {
			t.Fatal(err)
		}
	}
	go s.Close()
	syncs := 0
	_ = other.Receive(func(agentlink.Kind, []byte) { syncs++ })
	if syncs < 1 || syncs > 2 {
		t.Errorf("%d syncs arrived, want one, or two", syncs)
	}
}

// FuzzStream: no bytes make Receive panic, and what it takes is no larger than what came.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'S', 0, 0, 0, 3, 'A', 1, 2})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 'T'})
	f.Add([]byte{0, 0x70, 0, 0, 'T', 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := net.Pipe()
		s := agentlink.NewStream(b, math.MaxInt)
		go func() {
			_, _ = a.Write(in)
			a.Close()
		}()
		got := 0
		if err := s.Receive(func(_ agentlink.Kind, body []byte) { got += len(body) + 5 }); err == nil {
			t.Error("Receive ends without a reason")
		}
		if got > len(in) {
			t.Errorf("%d bytes became frames of %d", len(in), got)
		}
		s.Close()
	})
}
