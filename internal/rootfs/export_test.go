package rootfs

// Passwd is what becomes of a base's /etc/passwd.
func Passwd(have []byte) []byte { return withEntries(have, users) }
