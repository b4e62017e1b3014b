package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// maxLine bounds a line of input. The runner splits what tests print long before that.
const maxLine = 16 << 20

// report collects the events of one run and writes what they come to.
type report struct {
	out    io.Writer
	builds map[string][]string // what compilers printed, by import path
	open   map[string]*pkg     // packages that have started and not ended
	closed map[string]string   // closing lines by package
	failed bool
	skips  []skip
}

func newReport(out io.Writer) *report {
	return &report{out: out, builds: map[string][]string{}, open: map[string]*pkg{}, closed: map[string]string{}}
}

// read takes in events until r ends and writes the failures among them. Lines that are no events
// are passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if e, ok := parseEvent(lines.Bytes()); ok {
			r.add(e)
		} else {
			fmt.Fprintf(r.out, "%s\n", lines.Bytes())
		}
	}
	return lines.Err()
}

func (r *report) add(e event) {
	switch {
	case e.Action == "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case e.Package == "":
		// Build failures come back as the package's fail event.
	case e.Test != "":
		r.addTest(e)
	default:
		r.addPackage(e)
	}
}

func (r *report) addTest(e event) {
	p := r.pkg(e.Package)
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
		p.order = append(p.order, t)
	}
	switch e.Action {
	case "output":
		t.output = append(t.output, e.Output)
	case "pass", "fail":
		t.action = e.Action
	case "skip":
		t.action = e.Action
		r.skips = append(r.skips, skip{e.Package, e.Test, t.said()})
	}
}

func (r *report) addPackage(e event) {
	p := r.pkg(e.Package)
	switch e.Action {
	case "output":
		if isClosing(e.Output) {
			r.closed[e.Package] = e.Output
			return
		}
		p.output = append(p.output, e.Output)
	case "fail":
		r.failed = true
		r.writeBuild(e.FailedBuild)
		p.write(r.out)
		delete(r.open, e.Package)
	case "pass", "skip": // skip: the package has no tests
		delete(r.open, e.Package)
	}
}

// pkg returns the package's entry among the running ones and makes it at the first event.
func (r *report) pkg(name string) *pkg {
	p := r.open[name]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		r.open[name] = p
	}
	return p
}
