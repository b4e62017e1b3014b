// Package embednats is the NATS server inside "nex up": the zero-setup default, and everything that
// nats-server can do by way of its own configuration file.
//
// # Accounts
//
// Control traffic ($NEX.>) has an account of its own, NEX, with one user: the nkey that lies in the
// data directory. What everybody else does happens in the accounts of the configuration; without
// one, every client lands in nats-server's global account, as in a server without authorization.
// No other account can see or reach the control subjects.
//
// With a configuration file the file decides everything: addresses, TLS, WebSocket, cluster, leaf
// nodes, accounts, JetStream. Added are the NEX account and two nkey users, one for control and
// one for this process's own use of the workload account; what the file's clients may do and where
// they land stays as it was. A server in operator mode knows no users of its own, so there the
// control connection needs credentials: see [Server.ControlAccount].
//
// # Use
//
//	s, err := embednats.New(embednats.Config{StoreDir: dir, Control: key}) // touches nothing
//	err = s.Start(ctx)                                                     // serves when it returns
//	defer s.Shutdown()                                                     // nothing is left after it
//
// A Server is safe for concurrent use once it is started.
package embednats
