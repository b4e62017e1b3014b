package cli

import (
	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/client"
	"github.com/nex-engine/nex/internal/natsconn"
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
	if d.TriggerConnection, err = connection("--trigger_url", f.TriggerURL, "--trigger_creds", f.TriggerCreds); err != nil {
		return err
	}
	d.HostServices, err = connection("--host_services_url", f.HostServicesURL, "--host_services_creds", f.HostServicesCreds)
	return err
}

// connection is what two flags say, nil if that is nothing.
func connection(urlFlag, url, credsFlag, creds string) (*nex.Connection, error) {
	if url == "" {
		return nil, nil
	}
	if err := natsconn.CheckServers(urlFlag, url); err != nil {
		return nil, usagef("%v", err)
	}
	c := &nex.Connection{URL: url}
	if creds == "" {
		return c, nil
	}
	var err error
	c.UserJWT, c.UserSeed, err = natsconn.ReadCreds(credsFlag, creds)
	return c, err
}
