package firstboot

import "io"

// Shown is what is shown of what comes by a console, and how the script ended.
func Shown(to io.Writer, pieces ...string) error {
	c := &console{to: to}
	for _, p := range pieces {
		_, _ = c.Write([]byte(p))
	}
	c.flush()
	return c.result(nil)
}
