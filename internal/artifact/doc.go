// Package artifact fetches workloads' artifacts into a content-addressed cache.
//
// A [Cache] is a directory in which every file is named by the sha256 of its content. An artifact
// comes from a NATS object store, an https address or, where the node allows it, a local file; it
// is hashed while it is written, never whole in memory, and becomes visible under its name only
// when its digest is the one asked for. Nothing that comes from outside is used as a file name.
//
// [Cache.Check] finds out, before anything is downloaded, that an artifact is missing, too large or
// out of reach. [Cache.Fetch] hands out a [File] that cannot be evicted until it is released.
// Fetches of the same digest at the same time share one download, whose end no single caller
// decides: it goes on for as long as anybody waits for it.
//
// # Errors
//
// What a client should see is a [nex.Error] in the chain: CodeArtifactNotFound,
// CodeArtifactUnavailable, CodeArtifactTooLarge, CodeDigestMismatch, CodeLocationDenied or
// CodeInvalidRequest, and CodeInternal when the cache itself cannot store the file. The cause
// (context.DeadlineExceeded, syscall.ENOSPC, …) is in the chain as well. User names, passwords and
// queries of a location are in no message.
//
// # Concurrency
//
// A Cache is safe for concurrent use by one process. Two processes must not share a directory.
package artifact
