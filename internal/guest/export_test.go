package guest

import "io"

// What only tests may see.
var (
	MagicNode = magicNode
	MagicInit = magicInit
	Padding   = padding
)

const (
	Version    = version
	MaxLinks   = maxLinks
	WindowSize = windowSize
)

// RoundTripRequest reads a request and says whether what it writes of it reads the same.
func RoundTripRequest(r io.Reader, w io.ReadWriter) (first, second any, err error) {
	q, err := readRequest(r)
	if err != nil {
		return nil, nil, err
	}
	if err := writeMessage(w, q); err != nil {
		return nil, nil, err
	}
	again, err := readRequest(w)
	return q, again, err
}

// ReadReply reads a reply.
func ReadReply(r io.Reader) (text, path string, state *State, err error) {
	a, err := readReply(r)
	return a.Error, a.Path, a.State, err
}
