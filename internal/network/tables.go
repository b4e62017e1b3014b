//go:build linux

package network

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/google/nftables"
)

// tablePrefix begins the names of the tables of all nodes.
const tablePrefix = "nex_"

// tableName is the name of a node's table. The one of a process that follows another has a different number, so
// that both are there for a moment.
func tableName(node string, number int) string {
	if number == 0 {
		return tablePrefix + node
	}
	return fmt.Sprintf("%s%s_%d", tablePrefix, node, number)
}

// parseTableName undoes tableName.
func parseTableName(name string) (node string, number int, ok bool) {
	rest, isNode := strings.CutPrefix(name, tablePrefix)
	node, digits, isNumbered := strings.Cut(rest, "_")
	if isNumbered {
		number, _ = strconv.Atoi(digits)
	}
	return node, number, isNode && validName.MatchString(node) && name == tableName(node, number)
}

// eachTable calls f with the table of each node, of one that is just starting perhaps with two.
func eachTable(f func(c *nftables.Conn, t *table, number int) error) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return fmt.Errorf("list nftables: %w", err)
	}
	for _, t := range tables {
		node, number, ok := parseTableName(t.Name)
		if !ok {
			continue
		}
		if err := f(c, newTable(node, number), number); err != nil {
			return err
		}
	}
	return nil
}

// otherTables calls f with the tables of the other nodes.
func otherTables(own *table, f func(*nftables.Conn, *table) error) error {
	return eachTable(func(c *nftables.Conn, t *table, _ int) error {
		if t.node == own.node {
			return nil
		}
		return f(c, t)
	})
}

// earlierTables are those that earlier processes of a node have left, and fresh is one that there is not yet.
func earlierTables(node string) (earlier []*table, fresh *table, err error) {
	taken := map[int]bool{}
	err = eachTable(func(_ *nftables.Conn, t *table, number int) error {
		if t.node == node {
			earlier = append(earlier, t)
			taken[number] = true
		}
		return nil
	})
	number := 0
	for taken[number] {
		number++
	}
	return earlier, newTable(node, number), err
}

// retire removes tables whose successor is in force. While the kernel makes a change that removes sets and rules
// at once, a packet can meet a rule that still counts with a set that has nothing any more; so the rules go first.
func retire(tables []*table) error {
	for _, remove := range []func(*nftables.Conn, *table){
		func(c *nftables.Conn, t *table) { c.FlushTable(t.Table) },
		func(c *nftables.Conn, t *table) { c.DelTable(t.Table) },
	} {
		err := transact(func(c *nftables.Conn) error {
			for _, t := range tables {
				remove(c, t)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove the nftables tables of an earlier process: %w", err)
		}
	}
	return nil
}

// guardedBefore are the interfaces that tables guard which are there from before.
func guardedBefore(tables []*table) (names []string) {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	for _, t := range tables {
		names = append(names, guardedIn(c, t)...)
	}
	return names
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
