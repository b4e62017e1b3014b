//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// up leads to the root from everywhere.
var up = strings.Repeat("../", 16)

// ways are names that might lead to a path of the host.
func ways(path string) []string {
	dir, err := os.MkdirTemp("", "ways-")
	if err != nil {
		panic(err)
	}
	for name, target := range map[string]string{"file": path, "root": "/", "up": up, "proc": initPath("root")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			panic(err)
		}
	}
	list := []string{
		path, up + path[1:], dir + "/file", dir + "/root" + path, dir + "/up" + path, dir + "/proc" + path, dir + "/" + up + path[1:],
		initPath("root") + path, "/proc/self/root" + path, "/proc/thread-self/root" + path,
		initPath("cwd/") + up + path[1:], "/proc/self/cwd/" + up + path[1:], "/proc/self/root/" + up + path[1:],
		fmt.Sprintf("/proc/%d/root%s", os.Getppid(), path),
	}
	if f, err := os.Open("/"); err == nil { // stays open for as long as the name is used
		list = append(list, fmt.Sprintf("/proc/self/fd/%d%s", f.Fd(), path), fmt.Sprintf("/dev/fd/%d/%s%s", f.Fd(), up, path[1:]))
	}
	return list
}

func read(r *report, paths []string) {
	for _, path := range paths {
		for _, way := range ways(path) {
			r.attempt("read "+way, first(os.ReadFile(way)))
		}
	}
}

func write(r *report, paths []string) {
	for _, path := range paths {
		for _, way := range ways(path) {
			r.attempt("write "+way, overwrite(way))
		}
		r.attempt("truncate "+path, os.Truncate(path, 0))
		r.attempt("change permissions of "+path, os.Chmod(path, 0o777))
		r.attempt("change times of "+path, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)))
		r.attempt("rename "+path, os.Rename(path, path+".renamed"))
		r.attempt("remove "+path, os.Remove(path+".renamed"))
	}
}

// overwrite writes to a file that is there.
func overwrite(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return first(f.WriteString("intruder"))
}

func link(r *report, paths []string) {
	dir, err := os.MkdirTemp("", "links-")
	if err != nil {
		panic(err)
	}
	for i, path := range paths {
		for j, way := range ways(path) {
			r.attempt("link to "+way, hardLink(way, filepath.Join(dir, fmt.Sprint(i, "-", j))))
		}
	}
}

// hardLink makes a link to what a symbolic link leads to.
func hardLink(path, to string) error {
	return unix.Linkat(unix.AT_FDCWD, path, unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
}

// litter succeeds where a sandbox has a directory of that name. What matters is that the host's has no
// file then.
func litter(r *report, dirs []string) {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			r.note("make %s: %v", dir, err)
		}
		for i, way := range ways(dir) {
			err := os.WriteFile(filepath.Join(way, fmt.Sprint("litter", i)), []byte("intruder"), 0o666)
			r.note("litter in %s: %v", way, err)
		}
	}
}
