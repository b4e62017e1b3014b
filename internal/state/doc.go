// Package state keeps what a node has to know of its workloads after it was started again: a record a
// workload, each in a file of its own in the directory state of the data directory.
//
// # Files
//
//	ID.json           the record
//	ID.previous.json  the last version of it that was written durably before, if there is one
//	.ID.*             a version that is being written, or whose writing was interrupted
//	damaged/          what could not be read, moved away by [Store.Load] and [Repair]: the last 32 files
//
// A file is replaced by renaming a complete one onto it, so that a reader, and the next process, find
// the old version or the new one, never a part. A durable [Store.Put] reaches the disk before it
// returns; one that is not costs no wait, and is lost, at most, with the machine: then the previous
// version is there. A version that says that the workload is being stopped, or has ended, has no previous
// one: what was to be stopped must not run because a file was damaged.
//
// The format has a version, and a checksum of all of it. A file that is damaged, or of a newer version
// than this package knows, is never guessed at. The specification of a workload, in which its environment
// is, is sealed with the node's key (AES-256-GCM, the record's id as associated data); all else can be
// read without it.
//
// # Who writes
//
// One process, the one that has the lock of the data directory (package datadir), opens a Store, or
// repairs. [Read] changes nothing and may run beside it.
package state
