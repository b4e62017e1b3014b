// Package userdb finds out which user and groups an image's USER means.
//
// It reads the text of the image's own /etc/passwd and /etc/group, which can be anything: lines that
// are not as they should be are passed over. It opens no files and keeps no state.
package userdb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxID is the largest id there is; others would be negative where they are signed.
const maxID = 1<<31 - 1

// maxGroups is how many supplementary groups a process can have.
const maxGroups = 65536

// User is who a process runs as.
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups, sorted, without GID.
	Groups []uint32
	// Home is the home directory, absolute; "/" if none is known.
	Home string
}

// account is a line of passwd.
type account struct {
	name     string
	uid, gid uint32
	home     string
}

// group is a line of group.
type group struct {
	name    string
	gid     uint32
	members []string
}

// Lookup returns the user that spec means: "user", "user:group" or "", which is root. Both can be
// names or numbers; a name is looked for first. A number that passwd does not have is taken as it
// is, with group 0. The supplementary groups are those whose members include the user, and none when
// spec names a group. A name that is not there is an error that says so.
func Lookup(passwd, groups, spec string) (User, error) {
	userSpec, groupSpec, _ := strings.Cut(spec, ":")
	who, err := findAccount(passwd, userSpec)
	if err != nil {
		return User{}, err
	}
	u := User{UID: who.uid, GID: who.gid, Home: who.home}
	if groupSpec != "" {
		if u.GID, err = findGroup(groups, groupSpec); err != nil {
			return User{}, err
		}
		return u, nil
	}
	if who.name == "" {
		return u, nil
	}
	for g := range parseGroups(groups) {
		if g.gid != u.GID && slices.Contains(g.members, who.name) {
			u.Groups = append(u.Groups, g.gid)
		}
	}
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	if len(u.Groups) > maxGroups {
		return User{}, fmt.Errorf("user %s is in %d groups, more than the %d that there can be", quote(userSpec), len(u.Groups), maxGroups)
	}
	return u, nil
}

// findAccount looks for a user by name, then by number.
func findAccount(passwd, spec string) (account, error) {
	id, numeric := number(spec)
	if spec == "" {
		id, numeric = 0, true
	}
	var byID *account
	for a := range parsePasswd(passwd) {
		if spec != "" && a.name == spec {
			return a, nil
		}
		if numeric && byID == nil && a.uid == id {
			byID = &a
		}
	}
	switch {
	case byID != nil:
		return *byID, nil
	case numeric:
		return account{uid: id, home: "/"}, nil
	}
	return account{}, fmt.Errorf("there is no user %s in its /etc/passwd", quote(spec))
}

// findGroup looks for a group by name, then takes a number as it is.
func findGroup(groups, spec string) (uint32, error) {
	for g := range parseGroups(groups) {
		if g.name == spec {
			return g.gid, nil
		}
	}
	if id, ok := number(spec); ok {
		return id, nil
	}
	return 0, fmt.Errorf("there is no group %s in its /etc/group", quote(spec))
}

// parsePasswd goes through the lines name:password:uid:gid:comment:home:shell.
func parsePasswd(text string) func(yield func(account) bool) {
	return func(yield func(account) bool) {
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) < 4 || f[0] == "" || f[0][0] == '#' {
				continue
			}
			uid, okU := number(f[2])
			gid, okG := number(f[3])
			if !okU || !okG {
				continue
			}
			a := account{name: f[0], uid: uid, gid: gid, home: "/"}
			if len(f) > 5 && strings.HasPrefix(f[5], "/") {
				a.home = f[5]
			}
			if !yield(a) {
				return
			}
		}
	}
}

// parseGroups goes through the lines name:password:gid:member,member.
func parseGroups(text string) func(yield func(group) bool) {
	return func(yield func(group) bool) {
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) < 3 || f[0] == "" || f[0][0] == '#' {
				continue
			}
			gid, ok := number(f[2])
			if !ok {
				continue
			}
			g := group{name: f[0], gid: gid}
			if len(f) > 3 {
				g.members = strings.Split(f[3], ",")
			}
			if !yield(g) {
				return
			}
		}
	}
}

// number parses an id.
func number(s string) (uint32, bool) {
	id, err := strconv.ParseUint(s, 10, 32)
	return uint32(id), err == nil && id <= maxID
}

// quote quotes a name from outside, shortened, for a message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
