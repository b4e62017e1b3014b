// Package client is the Go client of the control API: what the nex command uses, and what other
// programs can use to discover nodes, and to deploy, watch and stop workloads.
//
// A [Client] works on a NATS connection that its caller owns, in one namespace.
//
//	c := client.New(nc, client.Config{Namespace: "shop"})
//	location, digest, err := c.Upload(ctx, client.Upload{Bucket: "FILES", Key: "cart", Content: file})
//	bids, err := c.Auction(ctx, nex.AuctionRequest{OS: "linux", Arch: "amd64"})
//	run, err := c.Deploy(ctx, client.Deployment{
//		Node: bids[0].NodeID, Xkey: bids[0].TargetXkey, Issuer: issuer,
//		Name: "cart", Type: nex.TypeNative, Location: location, Digest: digest,
//	})
//	…
//	_, err = c.Stop(ctx, client.Stopping{Node: bids[0].NodeID, ID: run.ID, Name: "cart", Issuer: issuer})
//
// # Requests
//
// A request to one node ends with its answer, or after the timeout. A request to all nodes, such as
// [Client.Discover], ends when no node answers any more, since nobody knows how many there are. When
// nobody listens at all, both end at once.
//
// Requests that start or stop something are signed with an issuer key, an nkey of the kind account,
// afresh every time; only that key can stop what it has started. An environment is sealed, so that
// no other than the target node can read it.
//
// # Failures
//
// What a node refuses, and what goes wrong on the way there, is a [nex.Error]: tell them apart with
// errors.Is and the sentinels of package nex, or with [nex.CodeOf]. When a context ends before a
// request does, the error wraps the context's.
//
// # Concurrency
//
// A Client may be used by many goroutines at a time. Nothing runs in the background between calls,
// and no call leaves anything behind on the connection. [Client.WatchEvents] and [Client.FollowLogs]
// run in the caller's goroutine until their context ends.
package client
