package embednats_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/embednats"
)

func TestConfigFilePlain(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, "listen: 127.0.0.1:-1\njetstream: enabled"))
	anonymous, user := connect(t, s), connect(t, s, nats.UserInfo("u", "p"))
	workload := inProcess(t, s.WorkloadOptions)
	separated(t, s, anonymous, user, workload)
	if !reaches(t, anonymous, workload, "a") || !reaches(t, user, anonymous, "a") {
		t.Error("clients are not in the workload account")
	}
	storesInJetStream(t, anonymous)
	storesInJetStream(t, inProcess(t, s.ControlOptions))
}

func TestConfigFileWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, "port: -1"))
	if s.HasJetStream() {
		t.Error("JetStream is on though the file does not say so")
	}
	nc := connect(t, s)
	separated(t, s, nc)
	if _, err := nc.Request("$JS.API.INFO", nil, within); err == nil {
		t.Error("JetStream answers")
	}
}

func TestConfigFileMappings(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, `
		port: -1
		jetstream: enabled
		mappings = { "old.>": "new.>", "orders.*": "shop.{{wildcard(1)}}", split: [ { destination: "left", weight: "100%" } ] }`))
	nc := connect(t, s)
	storesInJetStream(t, nc)
	for from, to := range map[string]string{"old.a.b": "new.a.b", "orders.7": "shop.7", "split": "left"} {
		sub, err := nc.SubscribeSync(to)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish(from, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := sub.NextMsg(within); err != nil {
			t.Errorf("%s is not mapped to %s: %v", from, to, err)
		}
	}
}

func TestConfigFileUserAndPassword(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"single user": `authorization { user: u, password: p }`,
		"users":       `authorization { users: [ { user: u, password: p }, { user: v, password: q } ] }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, config(t, "port: -1\njetstream: enabled\n"+file))
			refused(t, s)
			refused(t, s, nats.UserInfo("u", "wrong"))
			nc := connect(t, s, nats.UserInfo("u", "p"))
			workload := inProcess(t, s.WorkloadOptions)
			separated(t, s, nc, workload)
			if !reaches(t, nc, workload, "a") {
				t.Error("the user is not in the workload account")
			}
			storesInJetStream(t, nc)
		})
	}
}

func TestConfigFileToken(t *testing.T) {
	t.Parallel()
	c := config(t, "port: -1\nauthorization { token: s3cret }")
	s := start(t, c)
	refused(t, s)
	refused(t, s, nats.Token("wrong"))
	nc := connect(t, s, nats.Token("s3cret"))
	separated(t, s, nc, inProcess(t, s.WorkloadOptions))
	connect(t, s, c.Control.Option())
}

const twoAccounts = `
	port: -1
	jetstream: enabled
	accounts {
		A { jetstream: enabled, users: [ { user: a, password: a } ] }
		B { users: [ { user: b, password: b } ] }
	}
`

func TestConfigFileAccounts(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, twoAccounts+"no_auth_user: b"))
	a, b, anonymous := connect(t, s, nats.UserInfo("a", "a")), connect(t, s, nats.UserInfo("b", "b")), connect(t, s)
	workload := inProcess(t, s.WorkloadOptions)
	separated(t, s, a, b, anonymous, workload)
	storesInJetStream(t, a)
	if reaches(t, a, b, "x") {
		t.Error("account A reaches account B")
	}
	if !reaches(t, anonymous, b, "x") || !reaches(t, workload, b, "x") {
		t.Error("anonymous clients and workloads are not in the account of no_auth_user")
	}
}

func TestWorkloadAccount(t *testing.T) {
	t.Parallel()
	t.Run("chosen", func(t *testing.T) {
		t.Parallel()
		c := config(t, twoAccounts)
		c.WorkloadAccount = "A"
		s := start(t, c)
		refused(t, s)
		if !reaches(t, inProcess(t, s.WorkloadOptions), connect(t, s, nats.UserInfo("a", "a")), "x") {
			t.Error("workloads are not in the account that was chosen")
		}
	})
	t.Run("chosen in an open server", func(t *testing.T) {
		t.Parallel()
		c := config(t, "port: -1\naccounts { A {} }")
		c.WorkloadAccount = "A"
		s := start(t, c)
		separated(t, s, inProcess(t, s.WorkloadOptions), connect(t, s))
		if reaches(t, inProcess(t, s.WorkloadOptions), connect(t, s), "x") {
			t.Error("workloads are not in the account that was chosen")
		}
	})
	t.Run("the only one", func(t *testing.T) {
		t.Parallel()
		s := start(t, config(t, `port: -1
			accounts {
				A { users: [ { user: a, password: a } ] }
				SYS { users: [ { user: s, password: s } ] }
			}
			system_account: SYS`))
		if !reaches(t, inProcess(t, s.WorkloadOptions), connect(t, s, nats.UserInfo("a", "a")), "x") {
			t.Error("workloads are not in the only account")
		}
	})
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		c := config(t, twoAccounts)
		s := start(t, c)
		_, err := s.WorkloadOptions()
		want := c.ConfigFile + " has several accounts (A, B) and none for clients without credentials: choose the one for workloads with --workload-account"
		if err == nil || err.Error() != want {
			t.Errorf("error = %v, want %q", err, want)
		}
		inProcess(t, s.ControlOptions)
	})
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		c := config(t, twoAccounts)
		c.WorkloadAccount = "C"
		if _, err := embednats.New(c); err == nil || !strings.Contains(err.Error(), "--workload-account") {
			t.Errorf("error = %v, want one about --workload-account", err)
		}
	})
}

// nats-server lets anonymous clients in as long as there are only the system account's users.
func TestConfigFileSystemUsersOnly(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, `port: -1
		jetstream: enabled
		accounts { SYS { users: [ { user: admin, password: p } ] } }
		system_account: SYS`))
	anonymous, admin := connect(t, s), connect(t, s, nats.UserInfo("admin", "p"))
	refused(t, s, nats.UserInfo("admin", "wrong"))
	separated(t, s, anonymous, admin)
	storesInJetStream(t, anonymous)
	if !reaches(t, anonymous, inProcess(t, s.WorkloadOptions), "x") {
		t.Error("anonymous clients are not in the workload account")
	}
	if _, err := admin.Request("$SYS.REQ.SERVER.PING", nil, within); err != nil {
		t.Errorf("the system account does not work: %v", err)
	}
}

func TestConfigFileOwnControlAccount(t *testing.T) {
	t.Parallel()
	s := start(t, config(t, `port: -1
		jetstream: enabled
		accounts {
			NEX { jetstream: enabled, users: [ { user: ops, password: p, permissions: { publish: "$NEX.>", subscribe: ["_INBOX.>", "$NEX.>"] } } ] }
			A { users: [ { user: a, password: a } ] }
		}
		no_auth_user: a`))
	ops := connect(t, s, nats.UserInfo("ops", "p"))
	if !reaches(t, ops, inProcess(t, s.ControlOptions), "$NEX.PING") {
		t.Error("a user that the file puts into the control account does not reach it")
	}
	separated(t, s, connect(t, s))
}

func TestConfigFileAddressesAreOverridden(t *testing.T) {
	t.Parallel()
	c := config(t, "listen: 127.0.0.1:1") // a port that is not ours to use
	c.Port, c.Host = new(int), "127.0.0.1"
	connect(t, start(t, c))
}

func TestConfigFileStoreDir(t *testing.T) {
	t.Parallel()
	own := t.TempDir()
	c := config(t, "port: -1\njetstream { store_dir: '"+own+"' }")
	storesInJetStream(t, connect(t, start(t, c)))
	if entries, err := os.ReadDir(c.StoreDir); err != nil || len(entries) > 0 {
		t.Errorf("the default store has %v, %v; want nothing", entries, err)
	}
	if entries, err := os.ReadDir(own); err != nil || len(entries) == 0 {
		t.Errorf("the file's store is empty (%v)", err)
	}
}

func TestConfigFileLogFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nats.log")
	s := start(t, config(t, "port: -1\nlog_file: '"+path+"'"))
	s.Shutdown()
	got, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(got), "Server is ready") {
		t.Errorf("log file = %q, %v; want the server's notices", got, err)
	}
	err = startFails(t, config(t, "port: -1\nlog_file: '"+filepath.Join(path, "below")+"'"))
	if !strings.Contains(err.Error(), "log_file") {
		t.Errorf("error = %q, want one about log_file", err)
	}
}

func TestConfigFileProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		want       []string
	}{
		{"syntax", "port: -1\naccounts {", []string{"nats.conf"}},
		{"unknown field", "port: -1\nno_such_thing: 1\n", []string{"nats.conf:2:", `unknown field "no_such_thing"`}},
		{"two problems", "port: -1\nthing_b: 1\nthing_a: 1\n", []string{"nats.conf:2:", "(and 1 more)"}},
		{"wrong type", "port: { a: 1 }\n", []string{"nats.conf:1:"}},
		{"variable", "port: $NO_SUCH_VARIABLE_ANYWHERE\n", []string{"nats.conf", "NO_SUCH_VARIABLE_ANYWHERE"}},
		{"websocket token", "websocket { port: -1, no_tls: true, authorization { token: t } }", []string{"websocket", "accounts"}},
		{"mqtt user", "mqtt { port: -1, authorization { user: u, password: p } }", []string{"mqtt", "accounts"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config(t, tt.file)
			_, err := embednats.New(c)
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has more than one line: %q", err)
			}
			t.Log(err)
			for _, want := range append(tt.want, c.ConfigFile) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestNoConfigFile(t *testing.T) {
	t.Parallel()
	c := config(t, "port: -1")
	c.ConfigFile += ".none"
	if _, err := embednats.New(c); err == nil || !strings.Contains(err.Error(), c.ConfigFile) || !strings.Contains(err.Error(), "--nats-config") {
		t.Errorf("error = %v, want one with file and flag", err)
	}
}

// What nats-server finds out only when it is made.
func TestConfigFileContradicts(t *testing.T) {
	t.Parallel()
	c := config(t, "port: -1\nwebsocket { port: -1 }")
	if err := startFails(t, c); !strings.Contains(err.Error(), c.ConfigFile) || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("error = %q, want one with file and cause", err)
	}
}
