package ext4_test

import (
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
)

// Whatever is written in which order, what comes out is a whole file system, or an error. Each line of the
// script is an entry: its type, its name, and after a bar where it leads to or how many KiB it has.
func FuzzWriter(f *testing.F) {
	f.Add("da\nfa/b|3\nla/c|a/b\nsx|a/b\nfa/b|0", uint16(0o755), int64(0))
	f.Add("fa|1\nfa|2\nsa|b\nla|a\nda\nd..\nf/|1\nfa/b/c/d|400", uint16(0o7777), int64(-1<<40))
	f.Add("fx|900\nfy|90\nly|x\nlz|x\nfx|1\nfz|2", uint16(0), int64(1<<40))
	f.Fuzz(func(t *testing.T, script string, mode uint16, at int64) {
		if len(script) > 1000 {
			return
		}
		a := ext4.Attr{Mode: fs.FileMode(mode), UID: uint32(at), ModTime: time.Unix(at, int64(mode))}
		fill := func(w *ext4.Writer) {
			for line := range strings.SplitSeq(script, "\n") {
				if len(line) > 0 {
					write(w, line, a)
				}
			}
		}
		if _, err := discarded(t, ext4.MinSize, fill); err == nil {
			check(t, image(t, ext4.MinSize, fill))
		}
	})
}

// write writes an entry, or does not.
func write(w *ext4.Writer, line string, a ext4.Attr) {
	name, rest, _ := strings.Cut(line[1:], "|")
	switch line[0] {
	case 'd':
		_ = w.Mkdir(name, a)
	case 's':
		_ = w.Symlink(name, rest, a)
	case 'l':
		_ = w.Link(name, rest)
	case 'f':
		size := int64(0)
		for _, c := range []byte(rest) {
			size = (size*10 + int64(c&15)) % 2000
		}
		_ = w.File(name, a, size<<10, io.LimitReader(zeros{}, size<<10))
	}
}
