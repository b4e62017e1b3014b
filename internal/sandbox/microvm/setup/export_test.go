package setup

// ReleaseOf reads which release a kernel is, of its beginning.
func ReleaseOf(head []byte) string { return releaseOf(head) }
