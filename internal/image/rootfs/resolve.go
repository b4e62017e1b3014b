package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

const (
	// maxLinks is how many symbolic links may be on one way, as in the kernel.
	maxLinks = 40
	// maxDepth is how deep directories may be nested. Who removes or walks them holds a file
	// descriptor for each level.
	maxDepth = 200
	// maxName and maxElement are the longest that can be opened by name.
	maxName    = 4095
	maxElement = 255
)

// Resolve returns where name lies below root for a process whose root directory it is: a path without
// symbolic links, relative to root, "." for root itself. Links are followed, the last one too;
// absolute ones begin at root, and ".." does not lead out of it. What does not exist is
// fs.ErrNotExist.
func Resolve(root *os.Root, name string) (string, error) {
	return resolve(root, name, nil)
}

// resolve is Resolve with a function that makes what is missing, the last part of the way or a directory
// before it; nil makes nothing.
func resolve(root *os.Root, name string, create func(name string, last bool) error) (string, error) {
	at, rest, links := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at) // of "." it is "."
			continue
		}
		next := path.Join(at, element)
		info, err := root.Lstat(next)
		if errors.Is(err, fs.ErrNotExist) && create != nil {
			if err := checkDepth(next); err != nil {
				return "", err
			}
			err = create(next, len(rest) == 0)
			at = next
			if err == nil {
				continue
			}
		}
		switch {
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", malformed("%s leads through more than %d symbolic links", clip(name), maxLinks)
			}
			target, err := root.Readlink(next)
			if err != nil {
				return "", err
			}
			if strings.HasPrefix(target, "/") {
				at = "."
			}
			rest = append(strings.Split(target, "/"), rest...)
		case !info.IsDir() && len(rest) > 0:
			return "", malformed("%s leads through %s, which is no directory", clip(name), clip(next))
		default:
			at = next
		}
	}
	return at, nil
}

// checkDepth refuses a directory that is nested too deeply.
func checkDepth(name string) error {
	if len(name) > maxName || strings.Count(name, "/") >= maxDepth {
		return malformed("%s is nested more than %d directories deep", clip(name), maxDepth)
	}
	return nil
}

// clean turns the name of an entry into a relative path, "." for the root.
func clean(name string) (string, error) {
	if len(name) > maxName {
		return "", malformed("the name %s is longer than %d bytes", clip(name), maxName)
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", malformed("the name %s has .. in it", clip(name))
		}
		if len(element) > maxElement {
			return "", malformed("the name %s has a part longer than %d bytes", clip(name), maxElement)
		}
	}
	if strings.ContainsRune(name, 0) {
		return "", malformed("the name %s has a zero byte in it", clip(name))
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// clip quotes a name from outside, shortened, for a message.
func clip(name string) string {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	return fmt.Sprintf("%q", name)
}
