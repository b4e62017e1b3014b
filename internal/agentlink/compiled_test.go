package agentlink_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/nex-engine/nex/internal/agentlink"
)

// sizedBytes is what comes on a connection for compiled code that says so of its size.
func sizedBytes(size uint64, content ...byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, size), content...)
}

func TestReadCompiledWantsTheWholeOfIt(t *testing.T) {
	failure := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		sent []byte
		keep error
		want error // nil if any
	}{
		"nothing":          {sent: nil, want: io.ErrUnexpectedEOF},
		"half a size":      {sent: sizedBytes(3)[:4], want: io.ErrUnexpectedEOF},
		"no bytes":         {sent: sizedBytes(0)},
		"too many":         {sent: sizedBytes(agentlink.MaxCompiledBytes + 1)},
		"as if negative":   {sent: sizedBytes(1<<64 - 1)},
		"cut off":          {sent: sizedBytes(3, 'a', 'b'), want: io.ErrUnexpectedEOF},
		"cut off at once":  {sent: sizedBytes(3), want: io.ErrUnexpectedEOF},
		"not to be stored": {sent: sizedBytes(3, 'a', 'b', 'c'), keep: failure, want: failure},
	} {
		t.Run(name, func(t *testing.T) {
			err := agentlink.ReadCompiled(bytes.NewReader(tt.sent), func(r io.Reader, _ int64) error {
				_, err := io.ReadAll(r)
				return errors.Join(err, tt.keep)
			})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
		})
	}
}

// FuzzReadCompiled: whatever comes, what is kept is as long as it says, and what it begins with.
func FuzzReadCompiled(f *testing.F) {
	f.Add(sizedBytes(3, 'a', 'b', 'c'))
	f.Add(sizedBytes(3, 'a', 'b', 'c', 'd'))
	f.Add(sizedBytes(3, 'a'))
	f.Add(sizedBytes(0))
	f.Add(sizedBytes(1 << 63))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		var kept []byte
		called := false
		err := agentlink.ReadCompiled(bytes.NewReader(sent), func(r io.Reader, size int64) (err error) {
			called = true
			if kept, err = io.ReadAll(r); err == nil && int64(len(kept)) != size {
				t.Errorf("%d bytes came, want %d", len(kept), size)
			}
			return err
		})
		if err == nil && !called {
			t.Error("nothing was kept, and there is no error")
		}
		if called && !bytes.HasPrefix(sent[8:], kept) {
			t.Errorf("%q was kept of %q", kept, sent)
		}
	})
}
