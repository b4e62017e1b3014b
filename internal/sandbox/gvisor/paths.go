package gvisor

// Where things are inside.
const (
	nexDir    = "/.nex"
	agentPath = nexDir + "/agent"
	inDir     = nexDir + "/in"
	ownDir    = nexDir + "/own"
	groupDir  = ownDir + "/cgroup"
	workDir   = "/work"
	tempDir   = "/tmp"

	artifactName = "artifact"
	stagedPath   = inDir + "/" + artifactName
)
