package config

import (
	"encoding/hex"
	"errors"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// downloads checks where files are got from. What is wrong with an address is told without it, because it may have
// a secret in it.
func (v *validator) downloads(d Downloads) {
	const at = "preflight.downloads."
	for _, one := range []struct {
		name string
		*Download
	}{{"kernel", d.Kernel}, {"rootfs", d.Rootfs}, {"firecracker", d.Firecracker}, {"jailer", d.Jailer}} {
		if one.Download == nil {
			continue
		}
		if _, err := ParseSource(one.URL); err != nil {
			v.say(at+one.name+".url", "expected an http or https URL such as https://mirror.example.com/%s, file:///srv/%s, or a path", one.name, one.name)
		}
		if digest, err := hex.DecodeString(one.SHA256); err != nil || len(digest) != 32 {
			v.say(at+one.name+".sha256", "expected the sha256 digest of what lies at the url, 64 digits in hex: sha256sum prints it")
		}
		if m := one.Member; m != "" && (len(m) > maxMember || path.Clean(m) != strings.TrimPrefix(m, "./") || path.Base(m) == "." || strings.ContainsRune(m, 0)) {
			v.say(at+one.name+".member", "expected the name of a file as tar lists it, such as release-v1.15.0-x86_64/firecracker-v1.15.0-x86_64")
		}
	}
}

// maxMember bounds the name of a file in an archive, in bytes.
const maxMember = 4096

// ParseSource reads the address of a [Download]: the URL is an http or https one with a host, or a file one with
// nothing but the path of the file as this system writes it. The error does not repeat the address.
func ParseSource(address string) (*url.URL, error) {
	scheme, _, is := strings.Cut(address, "://")
	if !is {
		if address == "" || strings.ContainsRune(address, 0) {
			return nil, errSource
		}
		return &url.URL{Scheme: schemeFile, Path: address}, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errSource
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		if u.Hostname() == "" {
			return nil, errSource
		}
		return u, nil
	case schemeFile:
		if (u.Host != "" && u.Host != "localhost") || strings.Trim(u.Path, "/") == "" {
			return nil, errSource
		}
		file := u.Path
		if drive := strings.TrimPrefix(file, "/"); filepath.VolumeName(drive) != "" { // file:///C:/dir/file
			file = drive
		}
		return &url.URL{Scheme: schemeFile, Path: filepath.FromSlash(file)}, nil
	}
	return nil, errSource
}

const schemeFile = "file"

var errSource = errors.New("it is neither an http, https or file URL nor a path")
