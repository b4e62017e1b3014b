package nex_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestParseLocation(t *testing.T) {
	tests := []struct {
		name, text string
		says       string // "" if it is allowed
	}{
		{"object store", "nats://BUCKET/key", ""},
		{"object store, folders in the key", "nats://BUCKET/a/b/c", ""},
		{"object store, escaped key", "nats://BUCKET/a%20b%2Fc", ""},
		{"object store, key in another script", "nats://BUCKET/größe", ""},
		{"file", "file:///opt/echo", ""},
		{"web", "https://example.com/echo?version=1", ""},
		{"web with port", "https://127.0.0.1:8443/echo", ""},
		{"web with credentials", "https://user:secret@example.com/echo", ""},
		{"registry", "oci://registry.example.com/team/app:1.2", ""},
		{"registry with port", "oci://localhost:5000/app", ""},
		{"image by digest", "oci://docker.io/library/nats@sha256:" + strings.Repeat("0", 64), ""},
		{"scheme in capitals", "NATS://BUCKET/key", ""},

		{"empty", "", "the scheme must be"},
		{"no scheme", "BUCKET/key", "the scheme must be"},
		{"unencrypted web", "http://example.com/echo", "the scheme must be"},
		{"docker", "docker://example.com/echo:1", "the scheme must be"},
		{"no key", "nats://BUCKET", "use nats://BUCKET/key"},
		{"empty key", "nats://BUCKET/", "use nats://BUCKET/key"},
		{"no bucket", "nats:///key", "use nats://BUCKET/key"},
		{"opaque", "nats:BUCKET/key", "use scheme://host/path"},
		{"file on a host", "file://host/opt/echo", "use file:///absolute/path"},
		{"relative file", "file:echo", "use scheme://host/path"},
		{"no file", "file://", "use file:///absolute/path"},
		{"web without host", "https:///echo", "use https://host/path"},
		{"no registry", "oci:///app:1", "use oci://registry/repository:tag"},
		{"image of no registry", "oci://alpine", "use oci://registry/repository:tag"},
		{"image and tag of no registry", "oci://alpine:3.20", "use oci://registry/repository:tag"},
		{"registry with credentials", "oci://user:secret@example.com/app", "use oci://registry/repository:tag"},
		{"registry with query", "oci://example.com/app?tag=1", "use oci://registry/repository:tag"},
		{"registry with fragment", "oci://example.com/app#1", "use oci://registry/repository:tag"},
		{"query that is not UTF-8", "https://example.com/?\xff", "not UTF-8"},
		{"control character", "nats://BUCKET/a\x00b", "not a URL"},
		{"bad escape", "nats://BUCKET/%zz", "not a URL"},
		{"bad port", "https://example.com:x/", "not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := nex.ParseLocation(tt.text)
			check(t, err, nex.CodeInvalidRequest, tt.says)
		})
	}
}

func TestLocationParts(t *testing.T) {
	l, err := nex.ParseLocation("nats://BUCKET/a%20b/c")
	if err != nil {
		t.Fatal(err)
	}
	if l.Bucket() != "BUCKET" || l.Key() != "a b/c" || l.String() != "nats://BUCKET/a%20b/c" {
		t.Errorf("bucket %q, key %q, text %q", l.Bucket(), l.Key(), l)
	}
}

func TestCheckLocationMadeByHand(t *testing.T) {
	tests := []struct {
		name     string
		location nex.Location
		says     string
	}{
		{"fields of nats", nex.Location{Scheme: "nats", Host: "B", Path: "/any thing?#%"}, ""},
		{"host and opaque", nex.Location{Scheme: "nats", Opaque: "//B/k", Host: "B", Path: "/k"}, "use scheme://host/path"},
		{"host of two words", nex.Location{Scheme: "nats", Host: "two words", Path: "/k"}, "not a URL"},
		{"host with a path", nex.Location{Scheme: "nats", Host: "B/x", Path: "/k"}, "not a URL"},
		{"query with a fragment", nex.Location{Scheme: "https", Host: "h", RawQuery: "a##b"}, "not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, tt.location.Check(), nex.CodeInvalidRequest, tt.says)
		})
	}
}

func TestLocationKeepsPassword(t *testing.T) {
	l := nex.Location{Scheme: "ftp", User: url.UserPassword("user", "hunter2"), Host: "example.com"}
	if err := l.Check(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v, want one without the password", err)
	}
}

// classicLocation is how version 1 clients write a location.
const classicLocation = `{"Scheme":"nats","Opaque":"","User":null,"Host":"NEXCLIFILES","Path":"/echoservice","RawPath":"","OmitHost":false,"ForceQuery":false,"RawQuery":"","Fragment":"","RawFragment":""}`

func TestLocationFromJSON(t *testing.T) {
	tests := []struct{ name, json, text string }{
		{"classic object", classicLocation, "nats://NEXCLIFILES/echoservice"},
		{"string", `"nats://NEXCLIFILES/echoservice"`, "nats://NEXCLIFILES/echoservice"},
		{"encoded string", `"nats://B/a%2Bb%20%c3%B6~-._"`, "nats://B/a%2Bb%20%c3%B6~-._"},
		{"part of an object", `{"Scheme":"nats","Host":"B","Path":"/k"}`, "nats://B/k"},
		{"key without slash", `{"Scheme":"nats","Host":"B","Path":"k"}`, "nats://B/k"},
		{"escaped path", `{"Scheme":"nats","Host":"B","Path":"/a/b","RawPath":"/a%2Fb"}`, "nats://B/a%2Fb"},
		{"escaped path that lies", `{"Scheme":"nats","Host":"B","Path":"/k","RawPath":"/other"}`, "nats://B/k"},
		{"unknown member", `{"Scheme":"nats","Host":"B","Path":"/k","Colour":"blue"}`, "nats://B/k"},
		{"null", `null`, ""},
		{"empty object", `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l nex.Location
			if err := json.Unmarshal([]byte(tt.json), &l); err != nil {
				t.Fatal(err)
			}
			if l.String() != tt.text {
				t.Errorf("text = %s, want %s", l, tt.text)
			}
		})
	}
}

// An object could say one thing in its text, which is what is signed, and another in its parts.
func TestLocationMeansItsText(t *testing.T) {
	for _, object := range []string{
		`{"Scheme":"nats","Opaque":"//SIGNED/key","Host":"OTHER","Path":"/evil"}`,
		`{"Scheme":"https","Opaque":"//SIGNED/key","Host":"OTHER","Path":"/evil"}`,
		`{"Scheme":"nats","Host":"SIGNED","Path":"key","RawPath":"evil"}`,
		`{"Scheme":"file","OmitHost":true,"Path":"//SIGNED/key"}`,
	} {
		var l nex.Location
		if err := json.Unmarshal([]byte(object), &l); err != nil {
			t.Fatal(err)
		}
		if l.Host != "SIGNED" || l.Key() != "key" || !strings.HasSuffix(l.String(), "//SIGNED/key") {
			t.Errorf("%s: text %s, bucket %s, key %s", object, l, l.Bucket(), l.Key())
		}
	}
}

func TestLocationFromBadJSON(t *testing.T) {
	for name, bad := range map[string]string{
		"number":         `1`,
		"array":          `["nats://B/k"]`,
		"wrong type":     `{"Scheme":1}`,
		"string no URL":  `"nats://B/%zz"`,
		"object no URL":  `{"Scheme":"nats","Host":"two words","Path":"/k"}`,
		"colon in front": `{"Path":":x","Scheme":"%"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var l nex.Location
			if err := json.Unmarshal([]byte(bad), &l); err == nil {
				t.Errorf("decoded to %s", l)
			}
		})
	}
}

func TestLocationToJSON(t *testing.T) {
	tests := []struct{ name, text, json string }{
		{"classic object", "nats://NEXCLIFILES/echoservice", classicLocation},
		{"credentials", "https://user:secret@example.com/echo", `"https://user:secret@example.com/echo"`},
		{"bytes that are not UTF-8", "nats://B/%FF", `"nats://B/%FF"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := nex.ParseLocation(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			// The order of the members is Go's own affair.
			got, want := jsonValue(t, string(b)), jsonValue(t, tt.json)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("JSON = %s, want %s", b, tt.json)
			}
		})
	}
}

func jsonValue(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
