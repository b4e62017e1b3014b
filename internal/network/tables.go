//go:build linux

package network

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/nftables"
)

// otherTables calls f with the table of each other node.
func otherTables(own *table, f func(*nftables.Conn, *table) error) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return fmt.Errorf("list nftables: %w", err)
	}
	for _, t := range tables {
		name, isNode := strings.CutPrefix(t.Name, tablePrefix)
		if !isNode || t.Name == own.Name || !validName.MatchString(name) {
			continue
		}
		if err := f(c, newTable(name)); err != nil {
			return err
		}
	}
	return nil
}

// guardedBefore are the interfaces that a table guards which is there from before.
func guardedBefore(t *table) []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	return guardedIn(c, t)
}

func guardedIn(c *nftables.Conn, t *table) []string {
	elements, err := c.GetSetElements(t.guarded)
	if err != nil {
		return nil // there is no such table, or it has been removed meanwhile
	}
	var names []string
	for _, e := range elements {
		names = append(names, strings.TrimRight(string(e.Key), "\x00"))
	}
	return names
}

func guardedByOthers(own *table) (map[string]bool, error) {
	names := map[string]bool{}
	err := otherTables(own, func(c *nftables.Conn, other *table) error {
		for _, name := range guardedIn(c, other) {
			names[name] = true
		}
		return nil
	})
	return names, err
}

// warnOfFirewalls names the chains of others that drop what they do not know.
func warnOfFirewalls(own *table, log *slog.Logger) {
	c, err := nftables.New()
	if err != nil {
		return
	}
	chains, err := c.ListChains()
	if err != nil {
		return
	}
	for _, ch := range chains {
		if ch.Hooknum == nil || ch.Policy == nil || *ch.Policy != nftables.ChainPolicyDrop || ch.Table.Name == own.Name {
			continue
		}
		if *ch.Hooknum == *nftables.ChainHookForward || *ch.Hooknum == *nftables.ChainHookInput {
			log.Warn("a firewall drops packets that it has no rule for, also those of sandboxes: allow in it what comes from, and is forwarded from and to, their interfaces",
				"table", ch.Table.Name, "chain", ch.Name, "interfaces", own.ours+"*")
		}
	}
}
