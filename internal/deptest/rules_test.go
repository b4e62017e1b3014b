package deptest_test

// Patterns name packages: "." is the root package and "./x" the package x of this module, other paths
// are import paths as they are; "*" stands for one path element, and a last "/..." for a package with
// all below it. No pattern ever means the very package that a rule is for, nor what lies below it.

// Libraries that not everybody may link.
const (
	natsServer = "github.com/nats-io/nats-server/v2/..."
	natsClient = "github.com/nats-io/nats.go/..."
	v8go       = "github.com/tommie/v8go/..."
	wazero     = "github.com/tetratelabs/wazero/..."
)

// A ban says that the packages "from" must not link "to", be it through others.
type ban struct{ from, to, why string }

var bans = []ban{
	{"./client", "./internal/node/...", "the client runs where there is no node"},
	{"./client", "./internal/control/...", "client and node share the wire contract in the root package, not code"},
	{"./client", "./internal/cli/...", "a program that uses the client has no terminal"},
	{"./client", "./internal/sandbox/...", "the client runs where there is no sandbox"},
	{"./client", natsServer, "a client must not carry a server"},

	{"./cmd/nex-agent", "./internal/node/...", "the guest's program must not carry the host's code"},
	{"./cmd/nex-agent", "./internal/control/...", "the guest cannot reach the control API"},
	{"./cmd/nex-agent", "./internal/config/...", "the guest is configured by its bootstrap document alone"},
	{"./cmd/nex-agent", "./internal/cli/...", "the guest has no terminal"},
	{"./cmd/nex-agent", "./internal/sandbox/*/...", "the guest starts no sandboxes"},
	{"./cmd/nex-agent", "./internal/agentlink/linkhost/...", "the node's end of the link is a server"},
	{"./cmd/nex-agent", natsServer, "the agent is a client; a server would make each sandbox several times larger"},
	{"./cmd/nex-agent", "./internal/hostservice/...", "host services are the node's side"},
	{"./cmd/nex-agent", "./internal/trigger/...", "triggers are the node's side"},

	{"./cmd/nex", "./internal/function/*/...", "functions run in agents, never in the node"},
	{"./cmd/nex", v8go, "functions run in agents, never in the node"},
	{"./cmd/nex", wazero, "functions run in agents, never in the node"},
	{"./client", "./internal/jsbundle/...", "a program that uses the client has built what it deploys"},

	{"./internal/function/...", "./internal/agentlink/...", "runtimes know of calls, not of how they come"},
	{"./internal/function/...", "./internal/agent", "the agent runs the runtimes, not the other way about"},
	{"./internal/function/...", natsClient, "runtimes know of calls, not of how they come"},
	{"./internal/function/*", "./internal/function/*/...", "runtimes are independent of each other; share code in the contract"},

	{"./internal/trigger", "./internal/workload/...", "triggers are given calls to make, by the node"},
	{"./internal/trigger", "./internal/agentlink/linkhost/...", "triggers call an interface, which a link is"},
	{"./internal/hostservice/...", "./internal/workload/...", "host services know workloads by name"},
	{"./internal/hostservice/...", "./internal/agentlink/...", "host services know requests, not how they come"},

	{"./cmd/*", "testing", "test helpers belong into packages that only tests import"},

	{"./internal/cli/render", "github.com/nats-io/nats.go/...", "render turns values into text; whoever fetches them is its caller"},
	{"./internal/cli/render", natsServer, "render turns values into text"},

	{"./internal/control", "./internal/node/...", "the node composes the control API, not the other way about"},
	{"./internal/control", "./internal/cli/...", "the node has no terminal"},
	{"./internal/control", "./internal/sandbox/*/...", "drivers are named in one place, the node"},

	{"./internal/workload/...", "./internal/control/...", "workloads do not know how they are asked for"},
	{"./internal/workload/...", "./internal/node/...", "the node composes the workload manager, not the other way about"},
	{"./internal/workload/...", "./internal/cli/...", "the node has no terminal"},
	{"./internal/workload/...", "./internal/sandbox/*/...", "drivers are named in one place, the node"},

	{"./internal/agentlink", natsServer, "both ends use it; only the node's end, linkhost, is a server"},
	{"./internal/agentlink/...", "./internal/node/...", "the node composes the link, not the other way about"},

	{"./internal/sandbox/*", "./internal/sandbox/*/...", "drivers are independent of each other; share code below them"},
	{"./internal/sandbox/*", "./internal/control/...", "a driver starts agents and knows of no requests"},
	{"./internal/sandbox/*", "./internal/workload/...", "a driver starts agents and knows of no workloads"},
	{"./internal/sandbox/*", "./internal/node/...", "the node names the drivers, not the other way about"},
	{"./internal/sandboxdir", "./internal/sandbox/...", "drivers share it; it knows directories and processes, not what a sandbox is"},
}

// A bound says that the packages "from" link nothing outside the standard library but "only".
type bound struct {
	from string
	only []string
	why  string
}

var bounds = []bound{
	{".", nil, "the vocabulary and wire contract must cost nothing to import"},
	{"./internal/hostapi", nil, "the vocabulary of host services is shared by both ends, and by no library"},
	{"./internal/function", []string{".", "./internal/hostapi"}, "a contract that every runtime implements must not bring anything along"},
	{"./guest", nil, "a guest is compiled to WebAssembly: what it links is what every instance carries"},
	{"./internal/sandbox", []string{"."}, "a contract that every driver implements must not bring anything along"},
	{"./internal/castore", []string{"golang.org/x/sys/..."}, "the books of a store know nothing of what is in it, nor whose it is"},
	{"./internal/image/rootfs", nil, "what takes apart layers of strangers is to be read as a whole"},
	{"./internal/image/userdb", nil, "what reads files of strangers is to be read as a whole"},
}

// A reserve says that no package of the module but "importers" imports "pkg" itself. What they import
// may of course link it.
type reserve struct {
	pkg       string
	importers []string
	why       string
}

var reserves = []reserve{
	{"./internal/cli", []string{"./cmd/nex"}, "the program as a whole is not a library"},
	{"./internal/node", []string{"./internal/cli/...", "./cmd/nex"}, "the node as a whole is not a library"},
	{
		natsServer,
		[]string{
			"./internal/embednats", "./internal/agentlink/linkhost", // make servers
			"./internal/natstest",                     // makes servers for tests
			"./internal/config", "./internal/control", // borrow its checks of subjects
		},
		"servers are made in two places; whoever else needs one is given a connection",
	},
}

// planned are those patterns of the rules whose packages the module does not have yet. Remove an
// entry when its package comes into being: any other pattern must match something, so that no rule
// ends unnoticed when a package is renamed.
var planned = []string{}
