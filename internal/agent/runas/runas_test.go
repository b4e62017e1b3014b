package runas_test

import (
	"testing"

	"github.com/nex-engine/nex/internal/agent/runas"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want runas.User
		ok   bool
	}{
		{"1000:1001", runas.User{UID: 1000, GID: 1001}, true},
		{"0:0", runas.User{}, true},
		{"4294967294:1", runas.User{UID: 4294967294, GID: 1}, true},
		{"4294967295:1", runas.User{}, false},
		{"1:4294967295", runas.User{}, false},
		{"4294967296:1", runas.User{}, false},
		{"", runas.User{}, false},
		{"1000", runas.User{}, false},
		{"1000:", runas.User{}, false},
		{":1", runas.User{}, false},
		{"-1:1", runas.User{}, false},
		{"1:1:1", runas.User{}, false},
		{"nex:nex", runas.User{}, false},
	} {
		got, err := runas.Parse(c.text)
		if (err == nil) != c.ok || got.UID != c.want.UID || got.GID != c.want.GID {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", c.text, got, err, c.want)
		}
		if c.ok && got.String() != c.text {
			t.Errorf("String of %+v = %q, want %q", got, got.String(), c.text)
		}
	}
}
