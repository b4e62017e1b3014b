// Package rootfs makes and reads root directories whose content comes from strangers.
//
// An [Unpacker] puts the layers of an image, which are tar archives with deletion markers, on top of
// each other into a directory. Whatever the archives say, nothing outside of that directory is read,
// made, changed or removed: every step goes through an [os.Root], and names and links are resolved as
// a process would whose root is the directory. [Resolve] does the same for those who read such a
// directory afterwards. [Measure] says how large it is.
//
// # What becomes of an entry
//
//   - Names with ".." are refused; absolute names mean the same without the slash.
//   - A symbolic link is kept as it is. What a layer writes below one lands where the link leads
//     inside the root: a link to /etc leads to the etc of the image.
//   - A hard link is made to what lies inside the root, or refused.
//   - Device nodes and named pipes are left out: a sandbox has devices of its own, and a pipe would
//     connect all sandboxes that share the directory.
//   - Set-user-id and set-group-id bits of files are dropped. Workloads run without the right to gain
//     privileges, so that the bits would do nothing inside; outside, a stranger's set-user-id
//     program should not lie on the disk. Sticky bits, and set-group-id bits of directories, stay.
//   - Owners are kept when this process is root. When it is not, everything is its own, and readable
//     and removable by it.
//   - Extended attributes, among them file capabilities, are dropped for the reason that set-user-id
//     bits are.
//
// # Errors
//
// [ErrMalformed] is in the chain when an archive is at fault, [ErrTooLarge] when it exceeds a limit.
// All others come from the reader or the disk, and are theirs unchanged (syscall.ENOSPC, …).
//
// # Concurrency
//
// An Unpacker is for one goroutine, and nobody else may write below its directory.
package rootfs
