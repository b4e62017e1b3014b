// Package proctree starts processes and ends them with everything that they started.
//
// A process can leave its parent (fork twice), its process group and its session (setsid), so none
// of these alone finds a program's processes again. A [Tree] takes them together:
//
//   - descendants of the root, and of the calling process once it is a subreaper ([SetSubreaper]);
//   - every process of a session that the tree made;
//   - processes that carry a marker in the environment they were started with ([Marked]).
//
// What escapes: on linux only a process that did all of: leave its parent while no subreaper was
// above it, make a session of its own, and clear its environment. On darwin, which has no
// subreapers, a process that made a session of its own and cleared its environment. On windows a
// job object holds the tree and nothing escapes.
//
// A process is told from another that got its number later by its start time ([Identity]).
//
// A tree that was started with [Outlive] can be taken over by another process when the one that started it has
// ended ([Adopt]); the end of any process can be waited for ([Watch]).
//
// The agent's use of the package:
//
//	proctree.SetSubreaper()            // once, first thing: double-forked programs come to us
//	tree, err := proctree.Start(cmd)   // new session; dies with this process
//	tree.Signal(syscall.SIGTERM)       // to the program's process group
//	<-tree.Exited()                    // the program itself has ended; others of its tree may live
//	err = tree.Kill(ctx)               // nothing is left
//	err = tree.Wait()                  // as exec.Cmd.Wait; then proctree.ExitOf(cmd.ProcessState)
package proctree
