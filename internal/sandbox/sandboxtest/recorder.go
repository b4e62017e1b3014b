package sandboxtest

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// recorder keeps what an agent prints.
type recorder struct {
	mu      sync.Mutex
	lines   []string
	taken   map[string]int // how many lines of a word await has returned
	changed chan struct{}  // closed, and made anew, with each line
}

func newRecorder() *recorder { return &recorder{taken: map[string]int{}, changed: make(chan struct{})} }

func (r *recorder) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// tail is the end of what an agent printed, for a failure. It leaves out the environment: if the
// driver did not keep that of the test from the agent, it is not to end in a log.
func (r *recorder) tail() []string {
	const most, width = 20, 200
	lines := slices.DeleteFunc(r.all(), func(l string) bool { return strings.HasPrefix(l, "env ") })
	lines = lines[max(0, len(lines)-most):]
	for i, l := range lines {
		lines[i] = l[:min(len(l), width)]
	}
	return lines
}

// await returns the value of the next line that begins with the word. Different processes print, so
// that the order of lines of different words means nothing. It gives up after the time, or when done
// is closed and there is no such line.
func (r *recorder) await(word string, done <-chan struct{}, atMost time.Duration) (string, bool) {
	over := time.After(atMost)
	for {
		// Read done before the lines: all of them are there once it is closed.
		ended := false
		select {
		case <-done:
			ended = true
		default:
		}
		value, found, changed := r.take(word)
		if found || ended {
			return value, found
		}
		select {
		case <-changed:
		case <-done:
		case <-over:
			return "", false
		}
	}
}

func (r *recorder) take(word string) (value string, found bool, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := values(r.lines, word); r.taken[word] < len(list) {
		r.taken[word]++
		return list[r.taken[word]-1], true, nil
	}
	return "", false, r.changed
}

// values are the values of all lines so far that begin with the word.
func (r *recorder) values(word string) []string { return values(r.all(), word) }

func values(lines []string, word string) []string {
	var list []string
	for _, l := range lines {
		w, quoted, _ := strings.Cut(l, " ")
		if v, err := strconv.Unquote(quoted); w == word && err == nil {
			list = append(list, v)
		}
	}
	return list
}
