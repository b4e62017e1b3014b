package firecracker_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
)

// stream is a stream with what the other side answers.
type stream struct {
	io.Reader
	io.Writer
}

func TestCallPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ answer, want, rest string }{
		{"OK 1073741824\nhello", "", "hello"},
		{"OK 0\n", "", ""},
		{"", "nobody listens", ""},
		{"OK 1", "nobody listens", ""},
		{"OK \n", `answers "OK "`, ""},
		{"OK 4294967296\n", "answers", ""},
		{"OK 99999999999999999", "answers", "99999"},
		{"NO 1\n", `answers "NO 1"`, ""},
	} {
		in, out := strings.NewReader(c.answer), new(bytes.Buffer)
		err := firecracker.CallPort(stream{in, out}, 52)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: the error is %v, want %q", c.answer, err, c.want)
		}
		if rest, _ := io.ReadAll(in); c.want == "" && string(rest) != c.rest {
			t.Errorf("%q: %q is left, want %q", c.answer, rest, c.rest)
		}
		if out.String() != "CONNECT 52\n" {
			t.Errorf("it says %q", out)
		}
	}
}

func FuzzCallPort(f *testing.F) {
	f.Add([]byte("OK 1073741824\nhello"))
	f.Add([]byte("OK 1"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		in := bytes.NewReader(answer)
		err := firecracker.CallPort(stream{in, io.Discard}, 52)
		if line, _, ok := bytes.Cut(answer, []byte("\n")); err == nil && (!ok || !bytes.HasPrefix(line, []byte("OK ")) || in.Len() != len(answer)-len(line)-1) {
			t.Errorf("%q is taken for an answer, with %d bytes left", answer, in.Len())
		}
	})
}

func FuzzVersion(f *testing.F) {
	f.Add([]byte("Firecracker v1.12.0\n\n"))
	f.Add([]byte("Jailer v1.17.0-dev"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := firecracker.ParseVersion(text)
		if err == nil && !bytes.Contains(text, []byte(".")) {
			t.Errorf("%q is version %s", text, v)
		}
	})
}

func FuzzComplaint(f *testing.F) {
	f.Add([]byte("one\nError: it is so\nmore"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := new(firecracker.Firecracker).Complaint(text); len(got) > 510 || strings.Contains(got, "\n") {
			t.Errorf("the complaint is %q", got)
		}
	})
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Firecracker v1.12.0\n\n", ""},
		{"Firecracker v1.17.0-dev", ""},
		{"Firecracker v1.16.1", ""},
		{"Firecracker v1.11.9", "version 1.11.9, which is too old: install 1.12.0 or later"},
		{"Firecracker v0.25.2", "too old"},
		{"Firecracker v1.16.0", "install 1.16.1 or later"},
		{"Firecracker v2.0.0", "versions 1.x are known"},
		{"Firecracker", "does not say its version"},
		{"Firecracker v1.12.0.1", "does not say its version"},
	} {
		v, err := firecracker.ParseVersion([]byte(c.text))
		if err == nil {
			err = v.Usable()
		}
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: the error is %v, want %q", c.text, err, c.want)
		}
	}
}
