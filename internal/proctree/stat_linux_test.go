package proctree

import (
	"os"
	"testing"
)

const statTail = " 1 1234 1200 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4294967296 1 2 3"

func TestParseStat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line string
		want       process
		fails      bool
	}{
		{name: "plain", line: "1234 (cat) S" + statTail, want: process{pid: 1234, ppid: 1, pgrp: 1234, session: 1200, start: 1 << 32, ended: false, name: "cat"}},
		{name: "zombie", line: "1234 (cat) Z" + statTail, want: process{pid: 1234, ppid: 1, pgrp: 1234, session: 1200, start: 1 << 32, ended: true, name: "cat"}},
		{name: "kernel", line: "9 (kworker) I 2 0 0 0 -1 69238880 1 2 3 4 5 6 7 8 20 0 1 0 5 1", want: process{pid: 9, ppid: 2, start: 5, kernel: true, name: "kworker"}},
		{name: "first thread ended", line: "7 (t) Z 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 2 0 9 1", want: process{pid: 7, ppid: 1, pgrp: 2, session: 3, start: 9, ended: false, name: "t"}},
		{name: "hostile name", line: "1234 () R 1 1 (x\n) S" + statTail, want: process{pid: 1234, ppid: 1, pgrp: 1234, session: 1200, start: 1 << 32, ended: false, name: ") R 1 1 (x\n"}},
		{name: "empty", line: "", fails: true},
		{name: "no name", line: "1234 S" + statTail, fails: true},
		{name: "short", line: "1234 (cat) S 1 2 3", fails: true},
		{name: "no number", line: "x (cat) S" + statTail, fails: true},
	} {
		got, err := parseStat([]byte(c.line))
		if (err != nil) != c.fails {
			t.Errorf("%s: error = %v, want error: %v", c.name, err, c.fails)
		}
		if err == nil && got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self)
	f.Add([]byte("1234 () R 1 1 (x\n) S" + statTail))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := parseStat(line)
		if err != nil && p != (process{}) {
			t.Errorf("an error comes with %+v", p)
		}
	})
}
