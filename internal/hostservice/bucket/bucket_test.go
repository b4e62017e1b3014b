package bucket_test

import (
	"regexp"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostservice/bucket"
)

var valid = regexp.MustCompile(`\A[A-Za-z0-9_-]+\z`)

func TestName(t *testing.T) {
	long := strings.Repeat("n", nex.MaxNameLength)
	for _, c := range []struct{ template, namespace, workload, want string }{
		{"", "default", "counter", "nex-default_-counter"},
		{"", "a_b", "c", "nex-a__b_-c"},
		{"", "a", "b_c", "nex-a_-b_c"},
		{"${namespace}-${workload_name}", "a", "b", "a-b"},
		{"fixed", "a", "b", "fixed"},
		{"${namespace}", "a", "b", "a"},
		{"", long, long, "nex-" + strings.Repeat("n", 116) + "-2e0bf856d19e280bed72eca38367fda4467f4a46"},
	} {
		got, err := bucket.Name(c.template, c.namespace, c.workload)
		if err != nil || got != c.want {
			t.Errorf("Name(%q, %q, %q) = %q, %v, want %q", c.template, c.namespace, c.workload, got, err, c.want)
		}
	}
}

func TestNameRefused(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", "a"},
		{"", "a", ""},
		{"", "a.b", "c"},
		{"", "a", "b c"},
		{"", "a", strings.Repeat("n", nex.MaxNameLength+1)},
		{"a.b", "a", "b"},
		{"${unknown}", "a", "b"},
		{"${namespace", "a", "b"},
		{"a\n", "a", "b"},
	} {
		if got, err := bucket.Name(c[0], c[1], c[2]); err == nil {
			t.Errorf("Name(%q, %q, %q) = %q, want an error", c[0], c[1], c[2], got)
		}
	}
}

// Two workloads never get the same name unless the operator wants it, however alike theirs are.
func FuzzNameIsInjective(f *testing.F) {
	long := strings.Repeat("n", nex.MaxNameLength)
	f.Add("a_b", "c", "a", "b_c")
	f.Add("a_", "c", "a", "_c")
	f.Add("a", "_-b", "a_-", "b")
	f.Add("a__-b", "c", "a", "-b_-c")
	f.Add("_", "-", "__", "-")
	f.Add(long, long, long, long[1:])
	f.Add(long+"n", "", ".", "a b")
	f.Fuzz(func(t *testing.T, ns1, w1, ns2, w2 string) {
		a, err1 := bucket.Name("", ns1, w1)
		b, err2 := bucket.Name("", ns2, w2)
		if ok := nex.CheckName(ns1) == nil && nex.CheckName(w1) == nil; ok != (err1 == nil) {
			t.Fatalf("Name(%q, %q): %v", ns1, w1, err1)
		}
		if err1 != nil || err2 != nil {
			return
		}
		if !valid.MatchString(a) || len(a) > bucket.MaxLength || len("OBJ_"+a) > 255 {
			t.Errorf("Name(%q, %q) = %q", ns1, w1, a)
		}
		if (a == b) != (ns1 == ns2 && w1 == w2) {
			t.Errorf("%q/%q and %q/%q are %q and %q", ns1, w1, ns2, w2, a, b)
		}
		if len(a) <= 120 && !reads(a, ns1, w1) {
			t.Errorf("%q does not read back as %q/%q", a, ns1, w1)
		}
	})
}

// reads reads a name back: it is what proves that no other workload has it.
func reads(name, namespace, workload string) bool {
	rest, ok := strings.CutPrefix(name, "nex-")
	for i := 0; ok && i < len(rest)-1; i++ {
		switch {
		case rest[i] != '_':
		case rest[i+1] == '_':
			i++
		case rest[i+1] == '-':
			return strings.ReplaceAll(rest[:i], "__", "_") == namespace && rest[i+2:] == workload
		default:
			return false
		}
	}
	return false
}

func FuzzTemplate(f *testing.F) {
	f.Add("${namespace}-${workload_name}", "ns", "w")
	f.Add("${workload_name}${workload_name}${workload_name}", strings.Repeat("a", 128), strings.Repeat("b", 128))
	f.Add("${namespace}${", "$", "{}")
	f.Add("x\x00", "a", "b")
	f.Fuzz(func(t *testing.T, template, namespace, workload string) {
		got, err := bucket.Name(template, namespace, workload)
		if err == nil && (!valid.MatchString(got) || len(got) > bucket.MaxLength) {
			t.Errorf("Name(%q, %q, %q) = %q", template, namespace, workload, got)
		}
	})
}
