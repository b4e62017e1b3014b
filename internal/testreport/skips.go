package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// skip is a test that was skipped, with the reason it gave.
type skip struct{ pkg, test, reason string }

// allowance is a line of the file of allowed skips.
type allowance struct{ pkg, test, reason string }

// anyTest stands for all tests of a package.
const anyTest = "*"

// covers reports whether the allowance is for s. The reason counts too: a test that may skip for
// want of a device may not skip because it is broken.
func (a allowance) covers(s skip) bool {
	return (a.test == s.test || a.test == anyTest) &&
		(a.pkg == s.pkg || strings.HasSuffix(s.pkg, "/"+a.pkg)) &&
		strings.Contains(s.reason, a.reason)
}

// readAllowed reads the allowed skips. No file means that none are.
func readAllowed(file string) ([]allowance, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read allowed skips: %w", err)
	}
	defer f.Close()
	return parseAllowed(f, file)
}

func parseAllowed(r io.Reader, file string) ([]allowance, error) {
	var list []allowance
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 3 {
			return nil, fmt.Errorf("%s:%d: want package, test and part of the reason, got %q", file, n, lines.Text())
		}
		list = append(list, allowance{fields[0], fields[1], strings.Join(fields[2:], " ")})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read allowed skips: %w", err)
	}
	return list, nil
}
