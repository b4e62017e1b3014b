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

	hostsFile  = "/etc/hosts"
	resolvConf = "/etc/resolv.conf"
)

// ImageMountPoints are what the root of an image must have, directories with a slash at the end: runsc makes
// what is missing in the directory itself, which is shared.
var ImageMountPoints = []string{nexDir + "/", hostsFile, resolvConf}
