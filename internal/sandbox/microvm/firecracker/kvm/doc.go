// Package kvm finds out whether the machine's KVM can run virtual machines at a useful speed. That there is a
// /dev/kvm says little: it may belong to somebody else, or be emulated, so that a kernel under it crawls.
package kvm
