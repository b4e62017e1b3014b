package vminit_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/guest/vminit"
)

// narrowPipe is one that holds little.
func narrowPipe(t *testing.T) (read *bufio.Reader, write *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		r.Close()
	})
	if err := r.SetReadDeadline(time.Now().Add(bootTimeout)); err != nil {
		t.Fatal(err)
	}
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { _, failed = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 4096) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return bufio.NewReaderSize(r, 16), w
}

// heard is what of the lines "line 0", "line 1" and so on came, up to one of them.
type heard struct{ lines, dropped, gaps int }

// hear reads lines up to the one that has this number, and checks that all are there, or told as dropped.
func hear(t *testing.T, read *bufio.Reader, first, last int) heard {
	t.Helper()
	var h heard
	for next := first; next <= last; {
		line, err := read.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimRight(line, "\r\n")
		if count, ok := strings.CutPrefix(line, guest.DroppedLine); ok {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			next += n
			h.dropped += n
			h.gaps++
			continue
		}
		text, ok := strings.CutPrefix(line, "line ")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(text, " ")
		if number != strconv.Itoa(next) {
			t.Fatalf("%.40q came where line %d was due; so far %+v", line, next, h)
		}
		h.lines++
		next++
	}
	return h
}

func TestConsole(t *testing.T) {
	t.Parallel()
	const count, most = 1000, 8 << 10
	read, write := narrowPipe(t)
	c := vminit.NewConsole(write, most)
	long := strings.Repeat("x", 90)
	for n := range count {
		c.Print(fmt.Sprintf("line %d %s", n, long))
	}
	c.Flush(time.Millisecond) // nobody reads
	h := hear(t, read, 0, count-1)
	// What waits, what the pipe has, and the line that is just being written.
	if h.gaps == 0 || h.lines < most/200 || h.lines > (most+4096)/90+1 {
		t.Errorf("%+v of %d lines", h, count)
	}
	c.Print("line 1000 end")
	c.Flush(bootTimeout)
	if h := hear(t, read, 1000, 1000); h.gaps != 0 {
		t.Errorf("dropped again: %+v", h)
	}
}

// The agent, and the end of a VM, wait for nobody who reads the console.
func TestUnreadConsole(t *testing.T) {
	t.Parallel()
	const count = 3000 // some 300 KB
	read, write := narrowPipe(t)
	m := start(t, options{console: write})
	p := newPeer()
	s := m.connect(p)
	if err := s.Boot(t.Context(), boot(guest.Limits{}, nil)); err != nil {
		t.Fatal(err)
	}
	l := p.awaitLink(t)
	contains(t, "print", l.ask(t, "print", "0", strconv.Itoa(count)), "printed")
	contains(t, "ids", l.ask(t, "ids"), "uid 1000")

	h := hear(t, read, 0, count-1)
	t.Logf("nobody reads, then somebody: %+v", h)
	if h.gaps == 0 || h.lines < 600 {
		t.Errorf("%+v of %d lines, want most of what 64 KiB hold, and a gap", h, count)
	}
	contains(t, "print", l.ask(t, "print", strconv.Itoa(count), "1"), "printed")
	hear(t, read, count, count)

	contains(t, "print", l.ask(t, "print", "0", strconv.Itoa(count)), "printed")
	begin := time.Now()
	l.tell(t, "exit 3")
	if e := p.awaitExit(t); e != (guest.Exit{Code: 3}) {
		t.Errorf("exit = %+v", e)
	}
	m.awaitEnd()
	took := time.Since(begin)
	t.Logf("the machine ends %v after its agent", took)
	if took > 20*time.Second {
		t.Errorf("the machine has ended after %v", took)
	}
}
