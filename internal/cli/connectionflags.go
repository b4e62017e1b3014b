package cli

import (
	"fmt"
	"os"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
)

// connectionFlags are NATS connections of a function that are not the node's.
type connectionFlags struct {
	TriggerURL        string `name:"trigger_url" aliases:"trigger-url" help:"NATS server of the function's triggers (default: the node's for workloads)." placeholder:"URL"`
	TriggerCreds      string `name:"trigger_creds" aliases:"trigger-creds" type:"path" help:"Credentials file for --trigger_url; the node is sent what is in it." placeholder:"FILE"`
	HostServicesURL   string `name:"host_services_url" aliases:"host-services-url" help:"NATS server of the function's host services (default: the node's)." placeholder:"URL"`
	HostServicesCreds string `name:"host_services_creds" aliases:"host-services-creds" type:"path" help:"Credentials file for --host_services_url; the node is sent what is in it." placeholder:"FILE"`
}

// check checks the flags for a workload of a type.
func (f connectionFlags) check(t nex.WorkloadType) error {
	switch {
	case f.TriggerURL == "" && f.TriggerCreds != "":
		return usagef("--trigger_creds is for a server: give it with --trigger_url")
	case f.HostServicesURL == "" && f.HostServicesCreds != "":
		return usagef("--host_services_creds is for a server: give it with --host_services_url")
	case !t.Function() && (f.TriggerURL != "" || f.HostServicesURL != ""):
		return usagef("a workload of type %s makes its own connections: leave --trigger_url and --host_services_url away", t)
	}
	return nil
}

// set puts the connections into a deployment.
func (f connectionFlags) set(d *client.Deployment) (err error) {
	if d.TriggerConnection, err = connection(f.TriggerURL, f.TriggerCreds); err != nil {
		return err
	}
	d.HostServices, err = connection(f.HostServicesURL, f.HostServicesCreds)
	return err
}

func connection(url, creds string) (*nex.Connection, error) {
	if url == "" {
		return nil, nil
	}
	c := &nex.Connection{URL: url}
	if creds == "" {
		return c, nil
	}
	text, err := os.ReadFile(creds)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if c.UserJWT, err = jwt.ParseDecoratedJWT(text); err != nil {
		return nil, fmt.Errorf("%s is no credentials file: it holds no JWT", creds)
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s is no credentials file: it holds no seed of a user", creds)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("read credentials %s: %w", creds, err)
	}
	c.UserSeed = string(seed)
	return c, nil
}
