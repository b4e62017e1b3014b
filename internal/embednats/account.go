package embednats

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// ControlAccount is the name of the account that control traffic is in.
const ControlAccount = "NEX"

const globalAccount = server.DEFAULT_GLOBAL_ACCOUNT

// admission adds the control account and two users to a server's options without changing anything
// for anybody else.
type admission struct {
	cfg  Config
	opts *server.Options
	// file is the top level of the configuration file.
	file map[string]any
	// workload is the user for this process's own use of the workload account.
	workload *Key

	// workloadAccount is found by admit; workloadErr says why there is none.
	workloadAccount string
	workloadErr     error
}

// admit changes the options. It returns who stands at the door of a server that asks nobody for
// credentials, else nil.
func (a *admission) admit() (*door, error) {
	if a.operator() {
		a.workloadErr = needsCreds(a.cfg.ConfigFile)
		return nil, nil
	}
	if err := a.checkListeners(); err != nil {
		return nil, err
	}
	// First find out how things are, then change them.
	open, anonymous := a.open(), a.onlySystemUsers()
	if err := a.findWorkloadAccount(open || anonymous); err != nil {
		return nil, err
	}
	if err := a.addControlAccount(); err != nil {
		return nil, err
	}
	a.addUser(a.cfg.Control, ControlAccount)
	if a.workloadErr == nil {
		a.addUser(a.workload, a.workloadAccount)
	}
	if open || anonymous {
		a.opts.NoAuthUser = a.workload.Public()
	}
	if !open {
		return nil, nil
	}
	d := newDoor(a.opts.LeafNode.Account)
	d.admit(a.cfg.Control, ControlAccount)
	d.admit(a.workload, a.workloadAccount)
	a.opts.CustomClientAuthentication = d
	a.opts.AlwaysEnableNonce = true
	return d, nil
}

// operator says that users come from an operator's JWTs alone.
func (a *admission) operator() bool {
	return len(a.opts.TrustedOperators) > 0 || len(a.opts.TrustedKeys) > 0
}

// open says that the server asks nobody for credentials. As in nats-server, no users are not the
// same as an empty list of users.
func (a *admission) open() bool {
	o := a.opts
	return o.Users == nil && o.Nkeys == nil && o.Username == "" && o.Authorization == "" && o.AuthCallout == nil
}

// onlySystemUsers says that the file defines nothing but the system account and its users.
// nats-server then lets everybody else in without credentials, but no longer when there is another
// account.
func (a *admission) onlySystemUsers() bool {
	return a.setting("authorization") == nil && a.opts.NoAuthUser == "" &&
		a.account(a.systemAccount()) != nil && a.account(ControlAccount) == nil && len(a.others()) == 0
}

// checkListeners refuses what nats-server cannot combine with nkey users.
func (a *admission) checkListeners() error {
	ws, mqtt := a.opts.Websocket, a.opts.MQTT
	for name, own := range map[string]bool{
		"websocket": ws.Port != 0 && (ws.Username != "" || ws.Token != ""),
		"mqtt":      mqtt.Port != 0 && (mqtt.Username != "" || mqtt.Token != ""),
	} {
		if own {
			return fmt.Errorf("%s: authorization in %s with a user or token of its own goes with no other users: define users in accounts instead",
				a.cfg.ConfigFile, name)
		}
	}
	return nil
}

// findWorkloadAccount settles where the workload user belongs. It fails if an account was asked for
// that does not exist; that none can be chosen is no failure yet.
func (a *admission) findWorkloadAccount(anonymous bool) error {
	if name := a.cfg.WorkloadAccount; name != "" {
		if name != globalAccount && a.account(name) == nil {
			return fmt.Errorf("there is no account %s in %s: choose one of its accounts with --workload-account", name, a.cfg.ConfigFile)
		}
		a.workloadAccount = name
		return nil
	}
	candidates := a.userAccounts()
	switch {
	case a.opts.NoAuthUser != "":
		a.workloadAccount = a.accountOfUser(a.opts.NoAuthUser)
	case anonymous || len(candidates) == 0:
		a.workloadAccount = globalAccount
	case len(candidates) == 1:
		a.workloadAccount = candidates[0]
	default:
		a.workloadErr = fmt.Errorf("%s has several accounts (%s) and none for clients without credentials: choose the one for workloads with --workload-account",
			a.cfg.ConfigFile, strings.Join(candidates, ", "))
	}
	return nil
}

// userAccounts are the accounts that clients of the file can be in.
func (a *admission) userAccounts() []string {
	names := a.others()
	if callout := a.opts.AuthCallout; callout != nil && len(names) > 1 {
		names = slices.DeleteFunc(names, func(n string) bool { return n == callout.Account })
	}
	homeless := a.opts.Username != "" || a.opts.Authorization != "" ||
		slices.ContainsFunc(a.opts.Users, func(u *server.User) bool { return u.Account == nil }) ||
		slices.ContainsFunc(a.opts.Nkeys, func(u *server.NkeyUser) bool { return u.Account == nil })
	if homeless {
		names = append(names, globalAccount)
	}
	return names
}

func (a *admission) accountOfUser(name string) string {
	var account *server.Account
	for _, u := range a.opts.Users {
		if u.Username == name {
			account = u.Account
		}
	}
	for _, u := range a.opts.Nkeys {
		if u.Nkey == name {
			account = u.Account
		}
	}
	if account == nil {
		return globalAccount
	}
	return account.Name
}

// addUser adds an nkey user. Without an account it would be in the global one.
func (a *admission) addUser(k *Key, account string) {
	a.opts.Nkeys = append(a.opts.Nkeys, &server.NkeyUser{Nkey: k.Public(), Account: a.account(account)})
	if a.opts.AuthCallout != nil { // else the callout service decides about our users
		a.opts.AuthCallout.AuthUsers = append(a.opts.AuthCallout.AuthUsers, k.Public())
	}
}

// others are the accounts that the file defines besides the global, system and control ones.
func (a *admission) others() []string {
	var names []string
	for _, acc := range a.opts.Accounts {
		if acc.Name != globalAccount && acc.Name != ControlAccount && acc.Name != a.systemAccount() {
			names = append(names, acc.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *admission) systemAccount() string {
	if a.opts.SystemAccount != "" {
		return a.opts.SystemAccount
	}
	return server.DEFAULT_SYSTEM_ACCOUNT
}

// account returns the account of that name in the options, nil if there is none.
func (a *admission) account(name string) *server.Account {
	for _, acc := range a.opts.Accounts {
		if acc.Name == name {
			return acc
		}
	}
	return nil
}

// setting returns the value that the file has at its top level under one of the names.
func (a *admission) setting(names ...string) any {
	for key, value := range a.file {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, key) }) {
			return value
		}
	}
	return nil
}

func needsCreds(configFile string) error {
	return fmt.Errorf("%s trusts an operator, whose users nex cannot add to: give credentials of an account with --creds", configFile)
}
