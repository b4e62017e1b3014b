// Package image brings container images into a store of unpacked root directories.
//
// A [Store] is a directory in which every image has a directory of its own, named by the image's
// digest, with its layers unpacked on top of each other. An image comes from a registry
// (oci://registry/name:tag) or, where the node allows it, from a local OCI layout, as a directory or
// packed with tar, or from a tar archive made by docker save (file:///path). Layers are unpacked while
// they are read; their digests, compressed and not, are verified, and an image becomes visible under
// its name only when all of it was right. What a layer can and cannot do is told in package rootfs.
//
// [Store.Get] hands out an [Image] that cannot be evicted until it is released. Its root directory is
// shared by all who use the image and must only be read; the mount points that they need are there from the
// beginning. Gets of the same image at the same time share one download, whose end no single caller decides:
// it goes on for as long as anybody waits for it. [Resolve] finds out, without a store and without reading
// layers, what a client has to sign.
//
// # Digests
//
// The digest of an image, here and in what clients sign, is the sha256 of its manifest for the
// platform, in lower-case hex without "sha256:". For an image that exists for several platforms the
// digest of the index that lists them is as good: the manifest that was chosen is among what it
// vouches for. An archive of docker save that is no OCI layout has no manifest; there it is the sha256
// of the image's configuration, which is what docker calls the image id.
//
// With a digest an image is looked up in its registry by that digest; that the tag has moved on since
// it was signed does no harm. If the location has a digest as well, the image must be what both mean.
//
// # Registries
//
// Credentials are those of docker and podman: $DOCKER_CONFIG/config.json, ~/.docker/config.json,
// $REGISTRY_AUTH_FILE, containers/auth.json below $XDG_RUNTIME_DIR or ~/.config, and the credential
// helpers that these name. They are read for each download. All users of a node share them, and the
// images that they give access to. Registries are spoken to by https; plain http only on this machine's
// loopback, and where Config.InsecureRegistries says so.
//
// # Errors
//
// What a client should see is a [nex.Error] in the chain: CodeArtifactNotFound,
// CodeArtifactUnavailable (also when a registry refuses the credentials), CodeArtifactTooLarge,
// CodeDigestMismatch, CodeLocationDenied, CodeInvalidExecutable (not an image, for another platform,
// or with layers that cannot be unpacked), CodeInvalidRequest, and CodeInternal when the store itself
// cannot keep the image. The cause (context.DeadlineExceeded, syscall.ENOSPC, …) is in the chain as
// well. What a registry answers besides its error codes is in no message.
//
// # Concurrency
//
// A Store is safe for concurrent use by one process. Two processes must not share a directory. A
// machine that loses its power can keep images of which parts are missing: before an image of an
// earlier process is used it is measured, and brought anew if it has not the size it had.
package image
