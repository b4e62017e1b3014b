//go:build unix

package process

func defaultPath() string { return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }

// systemEnvironment is what the system's own libraries look for: nothing.
func systemEnvironment(home) []string { return nil }
