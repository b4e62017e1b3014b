package artifact

// openWithoutWaiting is for fifos, of which a Windows file system has none.
const openWithoutWaiting = 0

// isNotDir is never needed: Windows says that the path does not exist.
func isNotDir(error) bool { return false }
