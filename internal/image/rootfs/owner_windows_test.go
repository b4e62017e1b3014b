package rootfs_test

import "io/fs"

func ownerOf(fs.FileInfo) (uid, gid int) { return -1, -1 }
