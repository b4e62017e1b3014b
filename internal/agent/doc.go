// Package agent is the guest side of Nex: it runs inside a sandbox and manages exactly one
// workload, from the node's Deploy until nothing of it is left.
//
// [Run] connects to the node, starts the program that it is told to, carries what the program
// writes, stops it when it is told to, and says how it ended. The program dies with its agent, and
// the agent does not outlive its node: when the link is lost it kills what it runs and ends.
//
// One goroutine, that of Run, owns the workload; the node's requests are handed to it. In order:
//
//	waiting   → Deploy      starting: digest, environment, process
//	starting  → success     running
//	          → failure     waiting for the node to give up on it; no second Deploy is taken
//	running   → Undeploy    stopping: SIGTERM, and SIGKILL when the grace period is over
//	          → its end, link lost, cancelled
//	ending                  the whole process tree is killed, the log sent, the exit reported
package agent
