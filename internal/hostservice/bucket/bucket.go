// Package bucket names the buckets of host services.
//
// A workload has a bucket per service, and a name of a bucket is a global thing: two workloads that
// got the same one would read each other's data. So the name that a node makes by itself is a one to
// one image of namespace and workload name.
package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	nex "github.com/nex-engine/nex"
)

// MaxLength bounds every name. With the prefix that a stream of a bucket has it stays below the 255
// bytes that the name of a stream, and of the directory that holds it, may have.
const MaxLength = plain + 1 + hashed

const (
	plain  = 120 // so long a name may be and stay as it is
	hashed = 40  // digits of the hash that a longer one ends with
)

var valid = regexp.MustCompile(nex.TokenPattern)

// Name returns the name of a workload's bucket: letters, digits, _ and - only, at most [MaxLength]
// bytes. Template may contain ${namespace} and ${workload_name}; an empty one gives a name that no
// other workload has. It fails for a namespace, a workload name or a result that has anything else.
func Name(template, namespace, workload string) (string, error) {
	for _, s := range []string{namespace, workload} {
		if err := nex.CheckName(s); err != nil {
			return "", err
		}
	}
	if template == "" {
		return shorten(unique(namespace, workload)), nil
	}
	name := strings.NewReplacer("${namespace}", namespace, "${workload_name}", workload).Replace(template)
	if !valid.MatchString(name) {
		return "", fmt.Errorf("bucket_name %q gives %q, which is no name of a bucket: use letters, digits, _ and -", template, name)
	}
	return shorten(name), nil
}

// unique joins the two so that they could be told apart again: in the namespace every _ is doubled,
// hence the first _ that - follows instead is where it ends.
func unique(namespace, workload string) string {
	return "nex-" + strings.ReplaceAll(namespace, "_", "__") + "_-" + workload
}

// shorten replaces the end of what is too long by a hash of the whole. What has been shortened is
// longer than anything that has not, so the two cannot meet.
func shorten(name string) string {
	if len(name) <= plain {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:plain] + "-" + hex.EncodeToString(sum[:])[:hashed]
}
