package natsforms_test

// This file is about clients in JavaScript: what they are told to do, and how Node.js does it.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/nex-engine/nex/internal/nextest"
)

// task is what a program in JavaScript is to prove; see testdata/javascript/talk.mjs.
type task struct {
	Servers string             `json:"servers"`
	Good    *webUser           `json:"good"` // talks, and calls the service and the function
	Bad     map[string]webUser `json:"bad"`  // do not get in
}

type webUser struct {
	User string `json:"user,omitempty"`
	Pass string `json:"pass,omitempty"`
}

// appUser is the user for programs in the configurations of several servers.
var appUser = webUser{User: "app", Pass: "change-me-too"}

// proof is what came of a task.
type proof struct {
	Error    string            `json:"error"` // why the good one did not succeed
	Service  string            `json:"service"`
	Function string            `json:"function"`
	Refused  map[string]string `json:"refused"` // of each bad one, what it was told
}

// check checks that all of a task has succeeded, and that those who are refused are told why.
func (r *row) check(who string, p proof, why string) {
	r.t.Helper()
	if p.Error != "" || p.Service != "the service has got hello" || p.Function != "hello from app.function" {
		r.t.Errorf("%s: %+v", who, p)
	}
	if len(p.Refused) == 0 {
		r.t.Errorf("%s has not tried to get in without being let", who)
	}
	for name, told := range p.Refused {
		if !strings.Contains(told, why) {
			r.t.Errorf("%s: %s is told %q, want %q", who, name, told, why)
		}
	}
}

// inNode lets Node.js do a task. It trusts an authority besides the usual ones, if one is given.
func (r *row) inNode(work task, authority string) proof {
	r.t.Helper()
	program := r.bundle("node.mjs", api.PlatformNode)
	text, err := json.Marshal(work)
	must(r.t, err)
	tt := r.terminal()
	if authority != "" {
		tt = tt.with("NODE_EXTRA_CA_CERTS=" + authority)
	}
	var p proof
	must(r.t, json.Unmarshal([]byte(tt.ok("node", program, string(text))), &p))
	return p
}

// bundle joins a script with all that it imports: the client of NATS as npm has installed it, and the blocks of the
// document. It returns the path.
func (r *row) bundle(script string, platform api.Platform) string {
	r.t.Helper()
	packages := filepath.Join(nextest.Root(), "bin", "npm", "node_modules")
	if !exists(packages) {
		r.t.Fatalf("%s is missing: make test brings it", packages)
	}
	r.write("call.mjs")
	source, err := filepath.Abs(filepath.Join("testdata", "javascript", script))
	must(r.t, err)
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{source}, Bundle: true, Platform: platform, Format: api.FormatESModule, Target: api.ES2022,
		NodePaths: []string{packages}, Alias: map[string]string{"document": r.dir},
		// What modules of the old kind ask for.
		Banner: map[string]string{"js": map[api.Platform]string{
			api.PlatformNode: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`,
		}[platform]},
	})
	for _, m := range result.Errors {
		r.t.Fatalf("bundle %s: %s (%+v)", script, m.Text, m.Location)
	}
	path := r.path("bundled-" + script)
	must(r.t, os.WriteFile(path, result.OutputFiles[0].Contents, 0o600))
	return path
}
