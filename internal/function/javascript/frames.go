//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/go-sourcemap/sourcemap"
)

// frames translates places in the code that runs into places in the files that the user wrote, with
// the source map at the end of the code if it has one. The map is read when it is first needed, which
// is when something has gone wrong. It is safe for concurrent use.
type frames struct {
	name string // of the code
	text string

	once    sync.Once
	mapping *sourcemap.Consumer // nil without a map
	places  *regexp.Regexp
}

// ownPrefix begins the names of the runtime's own scripts, whose frames are left out of stacks.
const ownPrefix = "nex:"

const (
	mapComment = "//# sourceMappingURL="
	// maxStack and maxMessage bound what is told of an exception, in bytes.
	maxStack   = 16 << 10
	maxMessage = 1 << 10
)

// place translates a place such as "echo.js:3:5".
func (f *frames) place(at string) string {
	if at == "" {
		return f.name
	}
	f.once.Do(f.read)
	return f.places.ReplaceAllStringFunc(at, f.translate)
}

// thrownAt is the place of an exception: where it was thrown or, if that is in the runtime's code, where
// the user's code called it.
func (f *frames) thrownAt(at, stack string) string {
	if !strings.HasPrefix(at, ownPrefix) {
		return f.place(at)
	}
	f.once.Do(f.read)
	return f.place(f.places.FindString(stack))
}

// lines translates the stacks in a text of any kind and leaves out the runtime's own frames.
func (f *frames) lines(text string) string {
	if !strings.Contains(text, "\n") || !strings.Contains(text, frameStart) {
		return text
	}
	translated, _ := f.rewrite(text)
	return translated
}

// stack translates V8's text of a stack and leaves out the frames of the runtime. It is empty if none
// is left.
func (f *frames) stack(text string) string {
	translated, hasFrame := f.rewrite(text)
	if !hasFrame {
		return ""
	}
	if len(translated) > maxStack {
		translated = translated[:maxStack]
		translated = translated[:strings.LastIndexByte(translated, '\n')+1] + "    …"
	}
	return translated
}

// frameStart begins a line of a stack.
const frameStart = "    at "

// rewrite translates the lines of text that are frames, and reports whether there is one that is not
// the runtime's own.
func (f *frames) rewrite(text string) (translated string, hasFrame bool) {
	f.once.Do(f.read)
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(line, " "), frameStart[4:]) {
			if strings.Contains(line, ownPrefix) {
				continue
			}
			hasFrame = true
			line = f.places.ReplaceAllStringFunc(line, f.translate)
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n"), hasFrame
}

func (f *frames) read() {
	f.places = regexp.MustCompile(regexp.QuoteMeta(f.name) + `:\d+:\d+`)
	f.mapping = readMap(f.text)
}

// translate translates one place, or returns it as it is when the map does not know it.
func (f *frames) translate(place string) (translated string) {
	if f.mapping == nil {
		return place
	}
	defer func() {
		// The map comes with the code, and the reader of maps trusts them.
		if recover() != nil {
			translated = place
		}
	}()
	parts := strings.Split(strings.TrimPrefix(place, f.name+":"), ":")
	line, err := strconv.Atoi(parts[0])
	if err != nil {
		return place
	}
	column, err := strconv.Atoi(parts[1])
	if err != nil {
		return place
	}
	file, _, fromLine, fromColumn, ok := f.mapping.Source(line, column-1)
	if !ok {
		return place
	}
	return fmt.Sprintf("%s:%d:%d", file, fromLine, fromColumn+1)
}

// readMap returns the inline source map of the code, or nil if there is none that can be read.
func readMap(text string) (mapping *sourcemap.Consumer) {
	i := strings.LastIndex(text, mapComment)
	if i < 0 {
		return nil
	}
	url, _, _ := strings.Cut(text[i+len(mapComment):], "\n")
	kind, data, ok := strings.Cut(strings.TrimSpace(url), ",")
	if !ok || !strings.HasPrefix(kind, "data:application/json") || !strings.HasSuffix(kind, ";base64") {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil
	}
	defer func() {
		if recover() != nil {
			mapping = nil
		}
	}()
	mapping, err = sourcemap.Parse("", raw)
	if err != nil {
		return nil
	}
	return mapping
}

// oneLine makes one line of a message and bounds it.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
