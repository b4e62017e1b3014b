//go:build !unix

package agentlink

import "io/fs"

func removed(fs.FileInfo) bool { return false }
