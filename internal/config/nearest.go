package config

import (
	"strings"
	"unicode"
)

// nearest returns the name that was probably meant by one that is not known, or "".
func nearest(name string, known []string) string {
	const longest = 64 // nobody misspells so much
	if len(name) > longest {
		return ""
	}
	name = fold(name)
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		f := fold(k)
		if d := distance(name, f); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known { // host_services_config, restart_max
		const enough = 4
		if f := fold(k); min(len(f), len(name)) >= enough && (strings.HasPrefix(name, f) || strings.HasPrefix(f, name)) {
			return k
		}
	}
	return ""
}

// fold makes names equal that differ in their style only.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// distance is the number of bytes to insert, remove or replace to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
