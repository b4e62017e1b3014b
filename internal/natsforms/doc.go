// Package natsforms proves each form of NATS that docs/nats.md describes, with the configurations that are
// printed there. It has tests only.
//
// # Blocks
//
// A fenced block of docs/nats.md whose info string has a second word is a file of that name:
//
//	```conf tls.conf        a configuration, written as it is
//	```sh tls-env.sh        commands, run by a shell as they are
//
// Names are unique in the document, and TestBlocks fails for a block that no test uses.
//
// # Forms
//
// A form has a network namespace of its own, so that ports are those of the document, and a folder of its own in
// which the commands run, as a user would type them. One of a single server is a line in the table of
// forms_linux_test.go, with a function that proves what is particular about it. One of several is a test:
//
//	f := newForm(t)
//	f.write("cluster.conf")              // blocks that are configurations
//	admin := f.terminal()                // has a home and variables of its own
//	admin.run("certificates.sh")         // a block of commands; what it exports holds for this terminal
//	admin.start("cluster-n1.sh")         // a block with the one command of a server or node; waits until it is ready
//	app := admin.with("NATS_USER=app")   // the same with other variables
//	app.talks("app")                     // the nats command line and nats.go: publish, request, queue group
//	app.calls(app.joins(), "app")        // nex node up with these settings; deploys a service and a function, and calls them
//	app.refused("wants credentials")     // nobody gets in with these settings, and nex says why
//
// What start has started ends with the form, and must do so with status 0. It gets --json and --no-sandbox on top, for
// what a form proves is NATS. Other programs of a form are killed with it. The tests need root, and what make test
// brings: Node.js, Chromium, and below bin/npm the client of NATS in JavaScript.
package natsforms
