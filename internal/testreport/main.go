// Command testreport reads what "go test -json" writes and says what a person wants to know: every
// failure in full, as soon as its package is done; then which tests were skipped and why; last the
// closing lines of go test itself, one for each package.
//
//	go test -json ./... | testreport -skips FILE
//
// It exits with 0 if every package passed and FILE names every skipped test, with 1 if not, and with
// 2 if it was called wrongly. A test that quietly stops running is thereby a failure. FILE has one
// skip on a line:
//
//	# package            test      part of the reason that the test gives
//	internal/agentlink   TestBoot  needs /dev/kvm
//
// The package is an import path or its last elements, the test a full name with its subtests. An
// entry that did not skip is mentioned and does no harm: another machine may need it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Main is the program: it reads events from stdin until the end and returns the exit status.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("testreport", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("skips", "", "`file` that lists the tests which may be skipped (default: none may)")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "testreport: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	allowed, err := readAllowed(*file)
	if err != nil {
		fmt.Fprintf(stderr, "testreport: %v\n", err)
		return 2
	}
	r := newReport(stdout)
	if err := r.read(stdin); err != nil {
		fmt.Fprintf(stderr, "testreport: read events: %v\n", err)
		return 2
	}
	if !r.finish(*file, allowed) {
		return 1
	}
	return 0
}
