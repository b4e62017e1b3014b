package microvm

import (
	"sync"

	"github.com/nex-engine/nex/internal/sandboxdir"
)

// maxComplaints bounds what is kept of what a machine's process complains of: a guest can make some complain for
// ever.
const maxComplaints = 16 << 10

// complaints are the end of what a machine's process complains of.
type complaints struct {
	output *sandboxdir.Output

	mu   sync.Mutex
	last []byte
}

// line is called with each line.
func (c *complaints) line(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = append(append(c.last, line...), '\n')
	if over := len(c.last) - maxComplaints; over > 0 {
		c.last = append(c.last[:0], c.last[over:]...)
	}
}

func (c *complaints) text() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.last...)
}
