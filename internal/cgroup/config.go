package cgroup

import (
	"fmt"
	"log/slog"
	"strings"
)

// prefixStart is how the names of all our groups begin.
const prefixStart = "nex-"

const (
	maxPrefix = 64
	maxID     = 64
)

// Config is what a Manager needs.
type Config struct {
	// Prefix is the name of the node's group, such as "nex-1f2e3d4c": "nex-", then small letters, digits
	// and dashes. It tells two nodes of one machine apart, and is the same when a node starts again: what
	// bears it and was made by another Manager is taken for left over by Sweep. Required.
	Prefix string
	// Logger gets what cannot be returned to a caller. Nil discards.
	Logger *slog.Logger
}

func (c *Config) check() error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	rest, ok := strings.CutPrefix(c.Prefix, prefixStart)
	if !ok || rest == "" || len(c.Prefix) > maxPrefix || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("prefix %q of control groups is not %q with small letters, digits and dashes", c.Prefix, prefixStart)
	}
	return nil
}

// checkID refuses what cannot be the name of a group: the kernel's own files have a dot in their names.
func checkID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("name of a control group is not of 1 to %d bytes", maxID)
	}
	for _, c := range []byte(id) {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && c != '-' {
			return fmt.Errorf("control group %q has more in its name than letters, digits and dashes", id)
		}
	}
	return nil
}
