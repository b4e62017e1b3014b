// Package agent is the guest side of Nex: it runs inside a sandbox and manages exactly one
// workload, from the node's Deploy until nothing of it is left.
//
// [Run] connects to the node, starts the program that it is told to, carries what the program
// writes, stops it when it is told to, and says how it ended. The program dies with its agent. An agent
// with a workload outlives its node: when the link is lost everything goes on, a stop that was begun too,
// and the agent tries to come back to the node that follows, until the orphan timeout is over. It tells
// that what it holds, sends what no node has acknowledged of the log, and answers its calls. An agent
// without a workload ends with its link.
//
// One goroutine, that of Run, owns the workload; the node's requests are handed to it. In order:
//
//	waiting   → Deploy      starting: digest, environment, process
//	starting  → success     running
//	          → failure     waiting for the node to give up on it; no second Deploy is taken
//	running   → Undeploy    stopping: SIGTERM, and SIGKILL when the grace period is over
//	          → its end, orphan timeout, cancelled
//	ending                  the whole process tree is killed, the log sent, the exit told until it is heard
package agent
