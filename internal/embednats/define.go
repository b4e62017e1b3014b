package embednats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

// addControlAccount defines the control account, with JetStream if the server has any. An account
// that the file calls by that name is taken as it is.
//
// A server that knows no account but the global one gives that JetStream unasked. It would no
// longer, so the global account is then defined as well.
func (a *admission) addControlAccount() error {
	if a.account(ControlAccount) != nil {
		return nil
	}
	standalone := a.opts.Cluster.Port == 0 && a.opts.Gateway.Port == 0
	hasJetStream := a.opts.JetStream || !standalone
	onlyGlobal := len(a.others()) == 0
	control, err := define(ControlAccount, hasJetStream, nil)
	if err != nil {
		return err
	}
	a.opts.Accounts = append(a.opts.Accounts, control)
	if !hasJetStream || !onlyGlobal {
		return nil
	}
	global, err := define(globalAccount, true, a.setting("mappings", "maps"))
	if err != nil {
		return err
	}
	// The file's subject mappings, if any, already made one, which the new one replaces.
	a.opts.Accounts = slices.DeleteFunc(a.opts.Accounts, func(acc *server.Account) bool { return acc.Name == globalAccount })
	a.opts.Accounts = append(a.opts.Accounts, global)
	return nil
}

// define makes an account. Only a configuration can tell nats-server that an account has JetStream,
// so this is one; since the global account's name is reserved there, it gets its name afterwards.
func define(name string, hasJetStream bool, mappings any) (*server.Account, error) {
	text := "accounts { A {"
	if hasJetStream {
		text += " jetstream: enabled"
	}
	if mappings != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // subjects contain >
		if err := e.Encode(mappings); err != nil {
			return nil, fmt.Errorf("define account %s: %w", name, err)
		}
		text += ", mappings: " + b.String()
	}
	var o server.Options
	if err := o.ProcessConfigString(text + " } }"); err != nil {
		return nil, fmt.Errorf("define account %s: %w", name, err)
	}
	account := o.Accounts[0]
	account.Name = name
	return account, nil
}
