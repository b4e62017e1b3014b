package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// finish writes the skips, judged by allowed, and the closing lines. It reports whether all is well.
func (r *report) finish(file string, allowed []allowance) bool {
	ok := !r.failed
	for _, importPath := range slices.Sorted(maps.Keys(r.builds)) {
		r.writeBuild(importPath)
	}
	for _, name := range slices.Sorted(maps.Keys(r.open)) {
		ok = false
		r.open[name].write(r.out)
		fmt.Fprintf(r.out, "testreport: %s has not ended\n", name)
	}
	if len(r.closed) == 0 {
		ok = false
		fmt.Fprintln(r.out, "testreport: no package was tested")
	}
	ok = r.writeSkips(file, allowed) && ok
	for _, name := range slices.Sorted(maps.Keys(r.closed)) {
		io.WriteString(r.out, r.closed[name])
	}
	return ok
}

// writeSkips writes which tests were skipped and why, and reports whether each of them may be.
func (r *report) writeSkips(file string, allowed []allowance) bool {
	ok := true
	used := make(map[allowance]bool)
	if len(r.skips) == 0 {
		fmt.Fprintln(r.out, "skipped: none")
	}
	for _, s := range r.skips {
		verdict := "SKIPPED WITHOUT LEAVE, not listed in " + cmp.Or(file, "any file")
		if i := slices.IndexFunc(allowed, func(a allowance) bool { return a.covers(s) }); i >= 0 {
			verdict = "skipped as listed"
			used[allowed[i]] = true
		} else {
			ok = false
		}
		fmt.Fprintf(r.out, "%s: %s %s: %s\n", verdict, s.pkg, s.test, cmp.Or(s.reason, "no reason given"))
	}
	for _, a := range allowed {
		if !used[a] {
			fmt.Fprintf(r.out, "listed, not skipped: %s %s: %s\n", a.pkg, a.test, a.reason)
		}
	}
	return ok
}

// writeBuild writes what building importPath printed, once: many packages can fail of the same.
func (r *report) writeBuild(importPath string) {
	for _, line := range r.builds[importPath] {
		io.WriteString(r.out, line)
	}
	delete(r.builds, importPath)
}
