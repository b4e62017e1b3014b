// Package runas starts programs as another user, who gets none of this process's privileges.
package runas

import (
	"fmt"
	"strconv"
	"strings"
)

// User is a user with groups, by their numbers.
type User struct {
	UID, GID uint32
	// Groups are those besides GID.
	Groups []uint32
}

// Parse parses the numbers of a user and a group, such as "1000:1000".
func Parse(s string) (User, error) {
	user, group, ok := strings.Cut(s, ":")
	uid, badUID := strconv.ParseUint(user, 10, 32)
	gid, badGID := strconv.ParseUint(group, 10, 32)
	// The largest number means nobody at all to the system.
	if !ok || badUID != nil || badGID != nil || uint32(uid) == noID || uint32(gid) == noID {
		return User{}, fmt.Errorf("user %q is not a number, a colon and a number", s)
	}
	return User{UID: uint32(uid), GID: uint32(gid)}, nil
}

const noID = 1<<32 - 1

// String is what Parse takes.
func (u User) String() string { return fmt.Sprintf("%d:%d", u.UID, u.GID) }
