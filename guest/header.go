package guest

import (
	"encoding/binary"
	"errors"
)

var errHeaders = errors.New("the message's headers are malformed")

// decodeHeader reads headers: for each value the name and the value, each after its length.
func decodeHeader(b []byte) (Header, error) {
	if len(b) == 0 {
		return nil, nil
	}
	h := Header{}
	for len(b) > 0 {
		name, rest, ok := field(b)
		if !ok {
			return nil, errHeaders
		}
		value, rest, ok := field(rest)
		if !ok {
			return nil, errHeaders
		}
		h[name] = append(h[name], value)
		b = rest
	}
	return h, nil
}

func field(b []byte) (text string, rest []byte, ok bool) {
	if len(b) < 4 {
		return "", nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}
