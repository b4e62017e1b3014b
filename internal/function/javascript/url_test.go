package javascript_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/function/javascript"
)

// urlRecord is what parseURL says of a URL.
type urlRecord struct {
	Href, Origin, Protocol, Username, Password, Host, Hostname, Port, Pathname, Search, Hash string
}

func record(t testing.TB, text string) urlRecord {
	t.Helper()
	var r urlRecord
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("the record %q is not JSON: %v", text, err)
	}
	return r
}

func TestParseURL(t *testing.T) {
	tests := []struct {
		name, input, base string
		want              urlRecord
	}{
		{"all parts", "HTTP://user:pa%20ss@EXAMPLE.com:8080/a/./b/../c?q=1#f", "", urlRecord{
			"http://user:pa%20ss@example.com:8080/a/c?q=1#f", "http://example.com:8080", "http:", "user", "pa%20ss",
			"example.com:8080", "example.com", "8080", "/a/c", "?q=1", "#f",
		}},
		{"default port", "https://example.com:443", "", urlRecord{
			Href: "https://example.com/", Origin: "https://example.com", Protocol: "https:", Host: "example.com", Hostname: "example.com", Pathname: "/",
		}},
		{"relative", "../x?y", "http://h/a/b/c#d", urlRecord{
			Href: "http://h/a/x?y", Origin: "http://h", Protocol: "http:", Host: "h", Hostname: "h", Pathname: "/a/x", Search: "?y",
		}},
		{"only a fragment", "#f", "mailto:a@b", urlRecord{Href: "mailto:a@b#f", Origin: "null", Protocol: "mailto:", Pathname: "a@b", Hash: "#f"}},
		{"other scheme", "nats://h:4222/x", "", urlRecord{
			Href: "nats://h:4222/x", Origin: "null", Protocol: "nats:", Host: "h:4222", Hostname: "h", Port: "4222", Pathname: "/x",
		}},
		{"address in hex", "http://0x7f.1/", "", urlRecord{
			Href: "http://127.0.0.1/", Origin: "http://127.0.0.1", Protocol: "http:", Host: "127.0.0.1", Hostname: "127.0.0.1", Pathname: "/",
		}},
		{"address of version 6", "http://[0:0::1]:1/", "", urlRecord{
			Href: "http://[::1]:1/", Origin: "http://[::1]:1", Protocol: "http:", Host: "[::1]:1", Hostname: "[::1]", Port: "1", Pathname: "/",
		}},
		{"international name", "http://faß.ExAmPlE/ü?ü#ü", "", urlRecord{
			Href: "http://xn--fa-hia.example/%C3%BC?%C3%BC#%C3%BC", Origin: "http://xn--fa-hia.example", Protocol: "http:", Host: "xn--fa-hia.example",
			Hostname: "xn--fa-hia.example", Pathname: "/%C3%BC", Search: "?%C3%BC", Hash: "#%C3%BC",
		}},
		{"file", "file:///C|/x", "", urlRecord{Href: "file:///C:/x", Origin: "null", Protocol: "file:", Pathname: "/C:/x"}},
		{"blob", "blob:https://h:1/id", "", urlRecord{Href: "blob:https://h:1/id", Origin: "https://h:1", Protocol: "blob:", Pathname: "https://h:1/id"}},
		{"blob of none", "blob:nats://h/id", "", urlRecord{Href: "blob:nats://h/id", Origin: "null", Protocol: "blob:", Pathname: "nats://h/id"}},
		{"spaces, tabs and newlines", " \nhttp://a\tb/\n ", "", urlRecord{
			Href: "http://ab/", Origin: "http://ab", Protocol: "http:", Host: "ab", Hostname: "ab", Pathname: "/",
		}},
		{"backslashes", `http:\\h\a`, "", urlRecord{Href: "http://h/a", Origin: "http://h", Protocol: "http:", Host: "h", Hostname: "h", Pathname: "/a"}},
		{"empty query and fragment", "http://h/?#", "", urlRecord{
			Href: "http://h/?#", Origin: "http://h", Protocol: "http:", Host: "h", Hostname: "h", Pathname: "/",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, ok := javascript.ParseURL(tt.input, tt.base, tt.base != "")
			if !ok {
				t.Fatalf("%q is not a URL", tt.input)
			}
			if got := record(t, text); got != tt.want {
				t.Errorf("record\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestParseURLRefuses(t *testing.T) {
	tests := []struct {
		name, input, base string
		hasBase           bool
	}{
		{name: "nothing"},
		{name: "relative without a base", input: "/a"},
		{name: "relative with an empty base", input: "/a", hasBase: true},
		{name: "relative with a base that has no hierarchy", input: "a", base: "mailto:x", hasBase: true},
		{name: "bad base", input: "http://h", base: "x", hasBase: true},
		{name: "no host", input: "http://"},
		{name: "port too large", input: "http://h:65536"},
		{name: "port with letters", input: "http://h:8a"},
		{name: "host with a space", input: "http://a b/"},
		{name: "address too large", input: "http://256.256.256.256/"},
		{name: "address of version 6 without an end", input: "http://[::1/"},
		{name: "two compressions", input: "http://[1::2::3]/"},
		{name: "brackets twice", input: "http://[[::1]]/"},
		{name: "not UTF-8", input: "http://h/\xff"},
		{name: "too long", input: "http://h/" + strings.Repeat("a", 16<<10)},
		{name: "too long with its base", input: strings.Repeat("a", 10<<10), base: "http://h/" + strings.Repeat("b", 10<<10) + "/", hasBase: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if text, ok := javascript.ParseURL(tt.input, tt.base, tt.hasBase); ok {
				t.Errorf("it is taken for the URL %s", text)
			}
		})
	}
}

func TestSetURL(t *testing.T) {
	const href = "http://user@host:81/path?query#hash"
	tests := []struct{ name, href, property, value, want string }{
		{"href", href, "href", "nats://x", "nats://x"},
		{"protocol", href, "protocol", "https", "https://user@host:81/path?query#hash"},
		{"protocol with more", href, "protocol", "https:x", "https://user@host:81/path?query#hash"},
		{"protocol that is not special", href, "protocol", "nats", href},
		{"protocol that makes the port the default", "http://h:443/", "protocol", "https", "https://h/"},
		{"username", href, "username", "a:b", "http://a%3Ab@host:81/path?query#hash"},
		{"no username", href, "username", "", "http://host:81/path?query#hash"},
		{"username without a host", "file:///x", "username", "a", "file:///x"},
		{"password", href, "password", "p@", "http://user:p%40@host:81/path?query#hash"},
		{"host", href, "host", "h", "http://user@h:81/path?query#hash"},
		{"host with a port", href, "host", "h:82/x", "http://user@h:82/path?query#hash"},
		{"bad host", href, "host", "a b", href},
		{"empty host", href, "host", "", href},
		{"hostname", href, "hostname", "H", "http://user@h:81/path?query#hash"},
		{"hostname with a port", href, "hostname", "h:82", href},
		{"port", href, "port", "82", "http://user@host:82/path?query#hash"},
		{"port with more", href, "port", "82x", "http://user@host:82/path?query#hash"},
		{"default port", href, "port", "80", "http://user@host/path?query#hash"},
		{"no port", href, "port", "", "http://user@host/path?query#hash"},
		{"bad port", href, "port", "x", href},
		{"port too large", href, "port", "65536", href},
		{"pathname", href, "pathname", "a b/../c?#", "http://user@host:81/c%3F%23?query#hash"},
		{"pathname without hierarchy", "mailto:a", "pathname", "b", "mailto:a"},
		{"search", href, "search", "a'#", "http://user@host:81/path?a%27%23#hash"},
		{"search with its mark", href, "search", "??", "http://user@host:81/path??#hash"},
		{"no search", href, "search", "", "http://user@host:81/path#hash"},
		{"hash", href, "hash", "#<", "http://user@host:81/path?query#%3C"},
		{"no hash", href, "hash", "", "http://user@host:81/path?query"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, ok := javascript.SetURL(tt.href, tt.property, tt.value)
			if !ok {
				t.Fatal("it cannot be set")
			}
			if got := record(t, text).Href; got != tt.want {
				t.Errorf("href = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSetURLRefuses(t *testing.T) {
	tests := []struct{ name, href, property, value string }{
		{"no URL", "x", "hash", "y"},
		{"no property", "http://h", "origin", "http://i"},
		{"href that is no URL", "http://h", "href", "x"},
		{"value that is not UTF-8", "http://h", "hash", "\xff"},
		{"value too long", "http://h", "hash", strings.Repeat("a", 16<<10+1)},
		{"result too long", "http://h", "hash", strings.Repeat("ü", 5<<10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if text, ok := javascript.SetURL(tt.href, tt.property, tt.value); ok {
				t.Errorf("it became %.100s", text)
			}
		})
	}
}

// A script cannot be stopped while a URL is parsed, so this must not take long, whatever it is. What
// takes long is putting strings together piece by piece, and that shows in the memory that it takes,
// which does not depend on how busy the machine is: 2 GiB is about half a second.
func TestParseURLWork(t *testing.T) {
	const n = 16 << 10
	tests := []struct{ name, input string }{
		{"segments", "http://h/" + strings.Repeat("/", n-9)},
		{"steps up", "http://h/" + strings.Repeat("a/../", (n-9)/5)},
		{"users", "http://" + strings.Repeat("ü", (n-9)/2) + "@h"},
		{"ats", "http://" + strings.Repeat("@", n-9) + "h"},
		{"passwords", "http://:" + strings.Repeat(":", n-10) + "@h"},
		{"host", "http://" + strings.Repeat("a.", (n-9)/2)},
		{"international host", "http://" + strings.Repeat("ü", (n-9)/2)},
		{"escaped host", "http://" + strings.Repeat("%C3%BC", (n-9)/6)},
		{"opaque host", "nats://" + strings.Repeat("%", n-9)},
		{"colons", "http://[" + strings.Repeat(":", n-10) + "]"},
		{"opaque path", "data:" + strings.Repeat("%", n-5)},
		{"query", "http://h/?" + strings.Repeat("ü", (n-10)/2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			javascript.ParseURL(tt.input, "", false)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 2<<30 {
				t.Errorf("it took %d MiB of memory", took>>20)
			}
		})
	}
}

// Whatever is parsed, the URL that comes out is one, and it is the same when it is parsed again.
func FuzzParseURL(f *testing.F) {
	for _, s := range [][2]string{
		{"http://u:p@h:1/a/../b?c#d", ""},
		{"../x", "file:///C:/y"},
		{"//[::ffff:1.2.3.4]", "https://h"},
		{"blob:https://x/y", ""},
		{"a:/..//b", ""},
		{"data:x  #y", ""},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, input, base string) {
		text, ok := javascript.ParseURL(input, base, base != "")
		if !ok {
			return
		}
		wantStable(t, record(t, text))
	})
}

func FuzzSetURL(f *testing.F) {
	for _, s := range [][3]string{
		{"http://u:p@h:1/a", "host", "[::1]:2"},
		{"file:///x", "host", "y"},
		{"nats:/x", "pathname", "//y"},
		{"data:x ?y", "search", ""},
		{"a://b", "hostname", ""},
		{"https://h", "protocol", "file"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, href, property, value string) {
		text, ok := javascript.SetURL(href, property, value)
		if !ok {
			return
		}
		wantStable(t, record(t, text))
	})
}

func wantStable(t *testing.T, r urlRecord) {
	t.Helper()
	again, ok := javascript.ParseURL(r.Href, "", false)
	if !ok {
		t.Fatalf("%q came out, which is not a URL", r.Href)
	}
	if got := record(t, again); got != r {
		t.Errorf("parsed again\n got %+v\nwant %+v", got, r)
	}
}
