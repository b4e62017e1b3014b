package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/config"
)

func TestDownloads(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0aF", 21) + "0"
	tests := []struct{ url, sha256, member, want string }{
		{"https://mirror.example.com/vmlinux", digest, "", ""},
		{"http://me:secret@[::1]:8080/vmlinux?token=1", digest, "a/b", ""},
		{"file:///srv/vmlinux", digest, "./a", ""},
		{"FILE://localhost/srv/vmlinux", digest, "/a", ""},
		{"mirror/vmlinux", digest, "", ""},
		{"", digest, "", "url"},
		{"a\x00b", digest, "", "url"},
		{"ftp://secret/vmlinux", digest, "", "url"},
		{"https://:secret", digest, "", "url"},
		{"https:///vmlinux", digest, "", "url"},
		{"https://secret%zz/", digest, "", "url"},
		{"file://host/vmlinux", digest, "", "url"},
		{"file:///", digest, "", "url"},
		{"a", "", "", "sha256"},
		{"a", "sha256:" + digest, "", "sha256"},
		{"a", digest[1:], "", "sha256"},
		{"a", strings.Repeat("x", 64), "", "sha256"},
		{"a", digest, "a/", "member"},
		{"a", digest, ".", "member"},
		{"a", digest, "./", "member"},
		{"a", digest, "a//b", "member"},
		{"a", digest, strings.Repeat("x", 4097), "member"},
	}
	for _, name := range []string{"kernel", "rootfs", "firecracker", "jailer"} {
		for _, tt := range tests {
			text := fmt.Sprintf(`{"preflight": {"downloads": {%q: {"url": %s, "sha256": %q, "member": %q}}}}`,
				name, strings.ReplaceAll(fmt.Sprintf("%q", tt.url), `\x00`, `\u0000`), tt.sha256, tt.member)
			got := problemsOf(t, text)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("%s: %q, want no problem", text, got)
			case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], "line 1: preflight.downloads."+name+"."+tt.want+": expected ")):
				t.Errorf("%s: %q, want a problem of %s", text, got, tt.want)
			}
			if strings.Contains(fmt.Sprint(got), "secret") {
				t.Errorf("%q repeats an address", got)
			}
		}
	}
}

func TestParseSource(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"file:///srv/a%20b": "/srv/a b", "/srv/a%20b": "/srv/a%20b", "file://localhost/srv": "/srv", "./a:b": "./a:b",
	} {
		u, err := config.ParseSource(address)
		if err != nil || u.Scheme != "file" || u.Path != want {
			t.Errorf("ParseSource(%s) = %v, %v; want the file %s", address, u, err, want)
		}
	}
	if u, err := config.ParseSource("HTTPS://host/a"); err != nil || u.Scheme != "https" || u.Host != "host" {
		t.Errorf("ParseSource = %v, %v; want an https URL", u, err)
	}
}
