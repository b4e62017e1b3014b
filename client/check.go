package client

import (
	"encoding/json"
	"strings"

	nex "github.com/nex-engine/nex"
)

// Check finds what no node would take, before anything is uploaded or stopped for it. It does not
// look at what is found out on the way: the node, its keys, location and digest.
func (d Deployment) Check() error {
	if err := nex.CheckName(d.Name); err != nil {
		return err
	}
	function := d.Type.Function()
	switch {
	case !function && len(d.Triggers) > 0:
		return nex.Errorf(nex.CodeUnsupportedTrigger, "a workload of type %s cannot have triggers", d.Type)
	case !function && (d.MaxConcurrency != 0 || d.CallTimeout != 0):
		return nex.Errorf(nex.CodeInvalidRequest, "a workload of type %s has no calls: leave their number and time away", d.Type)
	case function && len(d.Triggers) == 0:
		return nex.Errorf(nex.CodeUnsupportedTrigger, "a function without a trigger subject can never be called: give at least one")
	}
	for _, t := range d.Triggers {
		for _, reserved := range nex.ReservedSubjects {
			if overlap(t, reserved) {
				return nex.Errorf(nex.CodeTriggerDenied, "no node takes the trigger subject %q, because it overlaps with %s: choose another", t, reserved)
			}
		}
	}
	return d.checkRequest()
}

// checkRequest lets the node's own decoder look at the request, with something in place of what is
// not known yet.
func (d Deployment) checkRequest() error {
	r := d.request()
	r.Location = nex.Location{Scheme: nex.SchemeNATS, Host: "BUCKET", Path: "/key"}
	if d.Type == nex.TypeOCI {
		r.Location = nex.Location{Scheme: nex.SchemeOCI, Host: "registry", Path: "/repository"}
	}
	r.WorkloadJWT = "claims"
	body, err := json.Marshal(r)
	if err != nil {
		return nex.Errorf(nex.CodeInvalidRequest, "the deploy request cannot be sent: %v", err)
	}
	_, err = nex.DecodeDeployRequest(body)
	return err
}

// overlap reports whether there is a subject that both match.
func overlap(a, b string) bool {
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(left), len(right)) {
		l, r := left[i], right[i]
		switch {
		case l == ">" || r == ">":
			return true
		case l != r && l != "*" && r != "*":
			return false
		}
	}
	return len(left) == len(right)
}
