package initramfs

// Dependencies returns what a module says that it needs.
func Dependencies(content []byte) (hard, soft []string, err error) {
	n, err := dependencies(content)
	return n.hard, n.soft, err
}

// Unsigned takes the signature from a module.
var Unsigned = unsigned
