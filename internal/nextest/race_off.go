//go:build !race

package nextest

const raceEnabled = false
