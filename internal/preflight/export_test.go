package preflight

// KVM is kvm, whose device tests cannot choose otherwise.
var KVM = kvm
