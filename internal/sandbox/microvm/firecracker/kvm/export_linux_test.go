package kvm

// CheckVersion takes what KVM answers when it is asked for its version.
var CheckVersion = checkVersion
