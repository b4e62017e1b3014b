// Package ext4 writes ext4 file systems without mounting them, as any user and on any system: a tree that
// machines share and only read, and empty ones that a machine writes to.
//
// A [Writer] puts entry after entry into a file. The same calls give the same bytes. What it leaves out of the
// format is what such file systems do not need: a journal, checksums, extended attributes of what is written,
// and devices. The kernel can write to all of them, and then adds what it needs itself.
//
// # Layout
//
// The superblock and the descriptors of all groups come first, then the content of the files as it was written,
// then the directories, and last the inode tables and bitmaps of all groups (the feature flex_bg lets them be
// anywhere). What is never written is never touched: a file system in a new file takes hardly more room than what is in
// it. The format is that of the kernel's documentation, filesystems/ext4.
//
// # Concurrency
//
// A Writer is used by one goroutine at a time.
package ext4
