package proctree

func setSubreaper() error { return nil }

func isSubreaper() bool { return false }
