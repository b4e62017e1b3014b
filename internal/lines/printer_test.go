//go:build unix

package lines_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/lines"
)

// nonblocking is a pipe whose end for writing does not block, as that of an agent.
func nonblocking(t *testing.T) (read, write *os.File) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	read, write = os.NewFile(uintptr(ends[0]), "read"), os.NewFile(uintptr(ends[1]), "write")
	t.Cleanup(func() {
		read.Close()
		write.Close()
	})
	return read, write
}

// Lines that nobody reads are dropped, and do not spoil the next that somebody does.
func TestPrinterDrops(t *testing.T) {
	t.Parallel()
	read, write := nonblocking(t)
	p := lines.NewPrinter(write)
	long := []byte(strings.Repeat("y", 3000) + "\n")
	dropped := 0
	for range 100 {
		n, err := p.Write(long)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			dropped++
		case err != nil || n != len(long):
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if dropped == 0 || dropped == 100 {
		t.Errorf("%d of 100 lines were dropped, want those that a pipe does not hold", dropped)
	}
	got := make(chan []byte)
	go func() {
		all, err := io.ReadAll(read)
		if err != nil {
			t.Error(err)
		}
		got <- all
	}()
	// It is read now, but how soon is the system's affair; others than the Printer wait for it.
	fmt.Fprint(write, "\n")
	if _, err := p.Write([]byte("last\n")); err != nil {
		if _, err = p.Write([]byte("last\n")); err != nil {
			t.Errorf("Write: %v", err)
		}
	}
	write.Close()
	all := strings.Split(string(<-got), "\n")
	if len(all) < 3 || all[0] != strings.TrimSuffix(string(long), "\n") || all[len(all)-2] != "last" {
		t.Errorf("the reader has %d lines, the last %.20q, want the first whole, and the last", len(all), all[max(0, len(all)-2):])
	}
}

func TestPrinterOfFile(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := lines.NewPrinter(f).Write([]byte("line\n")); n != 5 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	f.Close()
	if _, err := lines.NewPrinter(f).Write([]byte("line\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write to a closed file = %v, want %v", err, os.ErrClosed)
	}
}
