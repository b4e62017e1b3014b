package openapi_test

import (
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest/openapi"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	spec := openapi.Firecracker()
	for _, r := range []struct{ method, path, body, want string }{
		{"GET", "/", "", ""},
		{"GET", "/", "{}", "should be none"},
		{"GET", "/nothing", "", "there is no GET /nothing"},
		{"POST", "/vm", `{}`, "there is no POST /vm"},
		{"PUT", "/actions", "", "the body is missing"},
		{"PUT", "/actions", `{"action_type":"InstanceStart"}`, ""},
		{"PUT", "/actions", `{"action_type":"InstanceStop"}`, "should be one of"},
		{"PUT", "/actions", `{"action_type":1}`, "should be of type string"},
		{"PUT", "/actions", `{"action_type":"InstanceStart","x":1}`, "body.x is not known"},
		{"PUT", "/actions", `[]`, "should be of type object"},
		{"PUT", "/actions", `{`, "is no JSON"},
		{"PUT", "/actions", `{"action_type":"InstanceStart"}{}`, "more than one"},
		{"PUT", "/drives/", `{"drive_id":"a","is_root_device":true}`, "there is no"},
		{"PUT", "/drives/a/b", `{"drive_id":"a","is_root_device":true}`, "there is no"},
		{"PUT", "/drives/a", `{"drive_id":"a","is_root_device":true}`, ""},
		{"PUT", "/drives/a", `{"drive_id":"a"}`, "is_root_device is missing"},
		{"PUT", "/drives/a", `{"drive_id":"a","is_root_device":"true"}`, "should be of type boolean"},
		{"PUT", "/drives/a", `{"drive_id":"a","is_root_device":true,"rate_limiter":{"ops":{"size":1}}}`, "body.rate_limiter.ops.refill_time is missing"},
		{"PUT", "/drives/a", `{"drive_id":"a","is_root_device":true,"rate_limiter":{"ops":{"size":-1,"refill_time":1}}}`, "out of bounds"},
		{"PUT", "/machine-config", `{"vcpu_count":1,"mem_size_mib":1.5}`, "should be an integer"},
		{"PUT", "/machine-config", `{"vcpu_count":0,"mem_size_mib":1}`, "out of bounds"},
		{"PUT", "/machine-config", `{"vcpu_count":33,"mem_size_mib":1}`, "out of bounds"},
		{"PUT", "/machine-config", `{"vcpu_count":1,"mem_size_mib":1,"smt":null}`, "should be of type boolean"},
		{"PUT", "/mmds", `{"what":{"ever":[1,null]}}`, ""},
		{"PUT", "/mmds/config", `{"network_interfaces":["a",1]}`, "network_interfaces[1] is 1"},
	} {
		err := spec.Request(r.method, r.path, []byte(r.body))
		switch {
		case r.want == "" && err != nil:
			t.Errorf("%s %s %s: %v", r.method, r.path, r.body, err)
		case r.want != "" && (err == nil || !strings.Contains(err.Error(), r.want)):
			t.Errorf("%s %s %s: the error is %v, and should contain %q", r.method, r.path, r.body, err, r.want)
		}
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	spec := openapi.Firecracker()
	for _, r := range []struct {
		method, path string
		status       int
		body         string
		ok           bool
	}{
		{"GET", "/version", 200, `{"firecracker_version":"1.12.0"}`, true},
		{"GET", "/version", 200, `{}`, false},
		{"GET", "/version", 204, ``, false},
		{"PUT", "/vsock", 204, ``, true},
		{"PUT", "/vsock", 204, `{}`, false},
		{"PUT", "/vsock", 400, `{"fault_message":"no"}`, true},
		{"PUT", "/vsock", 500, `{"fault_message":"no"}`, true},
		{"PUT", "/vsock", 400, `{"message":"no"}`, false},
	} {
		if err := spec.Response(r.method, r.path, r.status, []byte(r.body)); (err == nil) != r.ok {
			t.Errorf("%s %s %d %s: %v", r.method, r.path, r.status, r.body, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `{}`, `{"swagger":"3.0","paths":{"/":{}}}`,
		`{"swagger":"2.0","paths":{"/":{}},"definitions":{"A":{"$ref":"#/definitions/A"}}}`,
		`{"swagger":"2.0","paths":{"/":{}},"definitions":{"A":{"$ref":"#/definitions/B"}}}`,
		`{"swagger":"2.0","paths":{"/":{}},"definitions":{"A":{"type":"number"}}}`,
		`{"swagger":"2.0","paths":{"/":{}},"definitions":{"A":{"type":"array"}}}`,
		`{"swagger":"2.0","paths":{"/":{"get":{"responses":{"200":{"schema":{"$ref":"A"}}}}}}}`,
	} {
		if _, err := openapi.Parse([]byte(text)); err == nil {
			t.Errorf("%s is taken for a description", text)
		}
	}
}
