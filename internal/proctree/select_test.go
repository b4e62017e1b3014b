//go:build linux || darwin

package proctree

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// The process table of the tests. This process is 100, in session 90 below a shell.
func testTable() table {
	rows := []process{
		{pid: 1},
		{pid: 2, session: 0},
		{pid: 90, ppid: 1, pgrp: 90, session: 90, start: 5},
		{pid: 100, ppid: 90, pgrp: 100, session: 90, start: 10},
		{pid: 101, ppid: 100, pgrp: 100, session: 90, start: 11, name: "ordinary child"},
		{pid: 102, ppid: 101, pgrp: 100, session: 90, start: 11, name: "its child"},

		{pid: 200, ppid: 100, pgrp: 200, session: 200, start: 20, name: "root"},
		{pid: 201, ppid: 200, pgrp: 201, session: 200, start: 21},
		{pid: 202, ppid: 201, pgrp: 202, session: 202, start: 22, name: "session below"},
		{pid: 203, ppid: 1, pgrp: 202, session: 202, start: 23, name: "left its parent, not the session"},
		{pid: 204, ppid: 1, pgrp: 200, session: 200, start: 24, name: "daemon in root's session"},
		{pid: 205, ppid: 200, pgrp: 200, session: 200, start: 24, ended: true, name: "zombie of root"},

		{pid: 300, ppid: 1, pgrp: 300, session: 300, start: 30, name: "marked"},
		{pid: 301, ppid: 300, pgrp: 301, session: 301, start: 31, name: "below marked"},
		{pid: 302, ppid: 90, pgrp: 302, session: 90, start: 31, name: "marked, in a session of others"},

		{pid: 400, ppid: 100, pgrp: 400, session: 400, start: 40, name: "adopted"},
		{pid: 401, ppid: 100, pgrp: 401, session: 401, start: 40, ended: true, name: "adopted zombie"},
		{pid: 402, ppid: 400, pgrp: 402, session: 402, start: 41},
	}
	t := table{}
	for _, p := range rows {
		t[p.pid] = p
	}
	return t
}

func TestSelection(t *testing.T) {
	t.Parallel()
	root := Identity{PID: 200, StartTime: 20}
	marked := []int{90, 100, 300, 302}
	for _, c := range []struct {
		name    string
		s       selection
		without []int // rows that are not in the table
		want    []int
		zombies []int
	}{
		{name: "nothing"},
		{name: "root", s: selection{roots: []Identity{root}}, want: []int{200, 201, 202, 203, 204}},
		{name: "root is gone", s: selection{roots: []Identity{root}}, without: []int{200}, want: []int{201, 202, 203, 204}},
		{name: "number of root is another's", s: selection{roots: []Identity{{PID: 200, StartTime: 19}}}},
		{name: "session of root is another's", s: selection{roots: []Identity{{PID: 200, StartTime: 24}}}, without: []int{200}, want: []int{204}},
		{name: "never itself or above", s: selection{roots: []Identity{{PID: 90, StartTime: 5}}}},
		{name: "marker", s: selection{markers: []string{"M=0", "M=1"}}, want: []int{300, 301, 302}},
		{name: "adopted", s: selection{adopted: true}, want: []int{200, 201, 202, 203, 204, 400, 402}, zombies: []int{401}},
		{name: "known", s: selection{known: []process{{pid: 402, start: 41}, {pid: 300, start: 29}}}, want: []int{402}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tab := testTable()
			for _, pid := range c.without {
				delete(tab, pid)
			}
			got := c.s.of(tab, 100, func(p process, markers []string) bool {
				return slices.Contains(markers, "M=1") && slices.Contains(marked, p.pid)
			})
			if pids := sorted(got.running); !slices.Equal(pids, c.want) {
				t.Errorf("running = %v, want %v", pids, c.want)
			}
			if pids := sorted(got.zombies); !slices.Equal(pids, c.zombies) {
				t.Errorf("zombies = %v, want %v", pids, c.zombies)
			}
		})
	}
}

func TestExclusiveGroups(t *testing.T) {
	t.Parallel()
	tab := testTable()
	tree := []process{tab[200], tab[201], tab[204], tab[203]}
	got := exclusiveGroups(tab, tree, tree)
	// 202 has a member that is not among the tree's here.
	want := map[int]bool{200: true, 201: true}
	if len(got) != len(want) || !got[200] || !got[201] {
		t.Errorf("groups = %v, want %v", got, want)
	}
}

func TestLeftNamesProcesses(t *testing.T) {
	t.Parallel()
	list := []process{{pid: 7, name: "stuck"}}
	if got, want := left(context.DeadlineExceeded, list).Error(), "kill process tree: 1 process is left, 7 (stuck): context deadline exceeded"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
	if got := left(context.Canceled, make([]process, 1000)).Error(); len(got) > 200 || !strings.Contains(got, "1000 processes are left") {
		t.Errorf("error = %q, want the number and few names", got)
	}
}

func sorted(list []process) []int {
	var pids []int
	for _, p := range list {
		pids = append(pids, p.pid)
	}
	slices.Sort(pids)
	return pids
}
