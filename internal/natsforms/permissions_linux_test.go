package natsforms_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/nextest"
)

// tracer is what clients of a server have sent, as it traces that.
type tracer struct {
	mu         sync.Mutex
	used       map[string]map[string]bool // by user and verb, pub or sub: subjects
	violations []string
}

var (
	traced = regexp.MustCompile(`/user:(\w+)".* <<- \[(H?PUB|SUB) (\S+)`)
	verbs  = map[string]string{"PUB": "pub", "HPUB": "pub", "SUB": "sub"}
)

func (l *tracer) Tracef(format string, args ...any) {
	if m := traced.FindStringSubmatch(fmt.Sprintf(format, args...)); m != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		key := m[1] + " " + verbs[m[2]]
		if l.used[key] == nil {
			l.used[key] = make(map[string]bool)
		}
		l.used[key][m[3]] = true
	}
}

func (l *tracer) Errorf(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); strings.Contains(text, "Violation") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.violations = append(l.violations, text)
	}
}

func (*tracer) Noticef(string, ...any) {}
func (*tracer) Warnf(string, ...any)   {}
func (*tracer) Fatalf(string, ...any)  {}
func (*tracer) Debugf(string, ...any)  {}

// refusals are the violations so far, which are then forgotten.
func (l *tracer) refusals() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.violations
	l.violations = nil
	return list
}

// serve runs nats-server with a configuration that lies in the folder of the form.
func (f *form) serve(config string) (*server.Options, *tracer) {
	f.t.Helper()
	o, err := server.ProcessConfigFile(f.path(config))
	must(f.t, err)
	o.StoreDir, o.NoSigs = f.path(o.StoreDir), true
	s, err := server.NewServer(o)
	must(f.t, err)
	log := &tracer{used: make(map[string]map[string]bool)}
	s.SetLogger(log, false, true)
	f.t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	must(f.t, f.do(func() error { s.Start(); return nil })) // it listens then
	if !s.ReadyForConnections(nextest.Patience) {
		f.t.Fatal("the server is not ready")
	}
	return o, log
}

// Each user of the document can do what it is for, and has no permission that is not used for that. With the server
// denying all else, what is used and is not allowed by another entry would not work without its own.
func TestPermissions(t *testing.T) {
	f := newForm(t)
	f.write("permissions.conf", "permissions.json", "hello.js")
	o, log := f.serve("permissions.conf")
	at := f.terminal()
	at.run("permissions-contexts.sh")
	node := at.start("permissions-node.sh")
	at.run("permissions-env.sh")
	at.session(node, "NATS_USER=app", "NATS_PASSWORD="+passwordOf(t, o, "app"))
	if got := log.refusals(); len(got) > 0 {
		t.Errorf("the server refuses %q", got)
	}
	for _, u := range o.Users {
		p := u.Permissions
		log.uses(t, u.Username, "pub", p.Publish.Allow)
		log.uses(t, u.Username, "sub", p.Subscribe.Allow)
	}
	at.preflights("permissions.json")
	at.stranger(node)
	at.keepsApart(o.Users)
}

// Users of nsc have the same permissions, and the same session works.
func TestPermissionsOfJWTs(t *testing.T) {
	f := newForm(t)
	f.write("permissions.conf", "permissions-nsc.conf", "permissions-nsc.json", "hello.js")
	at := f.terminal()
	at.run("permissions-nsc.sh")
	want, err := server.ProcessConfigFile(f.path("permissions.conf"))
	must(t, err)
	for _, u := range want.Users {
		token, _, err := natsconn.ReadCreds("", f.path(u.Username+".creds"))
		must(t, err)
		claims, err := jwt.DecodeUserClaims(token)
		must(t, err)
		sameSubjects(t, u.Username+" publish", claims.Pub.Allow, u.Permissions.Publish.Allow)
		sameSubjects(t, u.Username+" subscribe", claims.Sub.Allow, u.Permissions.Subscribe.Allow)
		if have, want := claims.Resp, u.Permissions.Response; have != nil || want != nil {
			t.Errorf("%s: responses %+v and %+v, want none", u.Username, have, want)
		}
	}
	_, log := f.serve("permissions-nsc.conf")
	node := at.start("permissions-nsc-node.sh")
	at.run("permissions-nsc-env.sh")
	at.session(node, "NATS_CREDS="+f.path("app.creds"))
	if got := log.refusals(); len(got) > 0 {
		t.Errorf("the server refuses %q", got)
	}
	at.preflights("permissions-nsc.json")
	at.keepsApart(want.Users)
}

func passwordOf(t *testing.T, o *server.Options, user string) string {
	t.Helper()
	i := slices.IndexFunc(o.Users, func(u *server.User) bool { return u.Username == user })
	if i < 0 {
		t.Fatalf("there is no user %s", user)
	}
	return o.Users[i].Password
}

func sameSubjects(t *testing.T, what string, have, want []string) {
	t.Helper()
	have, want = slices.Sorted(slices.Values(have)), slices.Sorted(slices.Values(want))
	if !slices.Equal(have, want) {
		t.Errorf("%s: %q\nwant %q", what, have, want)
	}
}

// as is the terminal of a user who has a context of that name.
func (tt *terminal) as(user string) *terminal { return tt.with("NATS_CONTEXT=" + user) }

// session is what the users of the document do. A service gets the given variables, which are credentials of app. The
// terminal is the deployer's.
func (tt *terminal) session(node *nextest.Process, credentials ...string) {
	tt.t.Helper()
	id := node.Ready.NodeID
	viewer, app := tt.as("viewer"), tt.as("app")
	events, logs := viewer.aside("nex", "events"), viewer.aside("nex", "logs")

	service := []string{"devrun", filepath.Join(binDir, "formservice"), "SUBJECT=shop.service", "NATS_URL=nats://localhost:4222"}
	tt.onNode(node, tt.ok("nex", append(service, credentials...)...))
	app.answers("shop.service", "the service has got hello")

	tt.deploysFunction(node, "shop.function")
	app.answers("shop.function", "hello from shop.function")
	must(tt.t, os.WriteFile(tt.path("hello.js"), []byte(`(subject) => "hello again from " + subject;`), 0o600))
	tt.ok("nex", "devrun", "hello.js", "--trigger_subject=shop.function") // replaces object and workload
	app.answers("shop.function", "hello again from shop.function")
	tt.ok("nex", "run", "nats://NEXCLIFILES/default/hellojs", id, "--type", "v8", "--name", "again", "--trigger_subject=shop.again")
	app.answers("shop.again", "hello again from shop.again")
	tt.ok("nex", "stop", "again")

	source, err := filepath.Abs(filepath.Join("testdata", "host.js"))
	must(tt.t, err)
	tt.ok("nex", "devrun", source, "--trigger_subject=shop.host")
	output, log, err := app.finish(app.command("nats", "req", "shop.host", "", "--timeout", "20s"))
	if err != nil || !strings.Contains(output, "host services work") {
		tt.t.Errorf("host services: %s%s", output, log)
	}

	for _, who := range []*terminal{tt, viewer} {
		who.ok("nex", "node", "ls")
		who.ok("nex", "node", "info", id)
		who.ok("nex", "node", "probe")
		who.ok("nex", "logs", "--no-follow")
	}
	tt.aside("nex", "logs")
	if output := viewer.ok("nats", "micro", "ls"); !strings.Contains(output, "hellojs") || !strings.Contains(output, "nex-node") {
		tt.t.Errorf("nats micro ls: %s", output)
	}
	nextest.Await(tt.t, "the viewer sees events and logs", func() bool {
		return strings.Contains(events.Output(), "hellojs") && strings.Contains(logs.Output(), "asked for host services")
	})
	tt.ok("nex", "lameduck", id)
}

// uses fails for each entry of a user's permissions that nothing was allowed by, or nothing that another does not
// allow as well.
func (l *tracer) uses(t *testing.T, user, verb string, allowed []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	// The first is asked for only if a bucket is changed while a function looks through it, the second only if a function
	// gets an object larger than its bucket is by default.
	rare := []string{"$JS.API.CONSUMER.INFO.>", "$JS.FC.>"}
	needed := make(map[string]bool)
	for subject := range l.used[user+" "+verb] {
		var by []string
		for _, entry := range allowed {
			if server.SubjectsCollide(subject, entry) {
				by = append(by, entry)
			}
		}
		if len(by) == 1 {
			needed[by[0]] = true
		}
	}
	for _, entry := range allowed {
		if !needed[entry] && !slices.Contains(rare, entry) {
			t.Errorf("user %s does not need %s %s", user, verb, entry)
		}
	}
}

// stranger shows that the users of the document cannot do what they are not for, and are told why.
func (tt *terminal) stranger(node *nextest.Process) {
	tt.t.Helper()
	id := node.Ready.NodeID
	for _, try := range []struct {
		user string
		args []string
		want string
	}{
		{"viewer", []string{"stop", "hellojs"}, "the connection may not use subject $NEX.STOP.default." + id},
		{"viewer", []string{"run", "nats://NEXCLIFILES/default/hellojs", id, "--type", "v8", "--trigger_subject=shop.x"}, "the connection may not use subject $NEX.PING." + id},
		{"app", []string{"node", "ls"}, "the connection may not use subject $NEX.PING"},
		{"app", []string{"events"}, "the connection may not use subject $NEX.events.default.*"},
		{"host", []string{"node", "info", id}, "the connection may not use subject $NEX.INFO.default." + id},
		{"deployer", []string{"node", "info", id, "--namespace", "other"}, "the connection may not use subject $NEX.INFO.other." + id},
	} {
		if log := tt.as(try.user).with("NATS_TIMEOUT=1s").fails("nex", try.args...); !strings.Contains(log, try.want) {
			tt.t.Errorf("nex %s as %s: %s\nwant %s", strings.Join(try.args, " "), try.user, log, try.want)
		}
	}
}

// keepsApart shows that no user hears the answers that another one gets, and that a service cannot be made to repeat to
// nodes, or to anybody but callers, what it is sent.
func (tt *terminal) keepsApart(users []*server.User) {
	tt.t.Helper()
	for _, u := range users {
		who := tt.as(u.Username)
		who.unheard("_INBOX.>")
		for _, other := range users {
			if other != u {
				who.unheard("_INBOX." + other.Username + ".>")
			}
		}
	}
	for _, reply := range []string{"$NEX.DEPLOY.default.node", "$NEX.LAMEDUCK.node", "$JS.API.STREAM.CREATE.X", "$KV.bucket.key", "_INBOX.node.x"} {
		tt.as("app").repeatsNothing("shop.repeat", reply)
	}
}

// preflights shows that a node's user lacks nothing that preflight could find.
func (tt *terminal) preflights(config string) {
	tt.t.Helper()
	node := tt.as("node")
	output, log, _ := node.finish(node.command("nex", "node", "preflight", "--check", "--json", "--no-sandbox", "--config", config))
	var groups []struct {
		Title string
		Items []struct {
			OK, Note bool
			Path, Do string
		}
	}
	must(tt.t, json.Unmarshal([]byte(output), &groups))
	for _, g := range groups {
		for _, i := range g.Items {
			if strings.HasPrefix(g.Title, "NATS") && !i.OK && !i.Note {
				tt.t.Errorf("preflight as node: %s: %s", i.Path, i.Do)
			}
		}
	}
	if len(groups) == 0 {
		tt.t.Errorf("preflight: %s%s", output, log)
	}
}
