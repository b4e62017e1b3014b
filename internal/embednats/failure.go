package embednats

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// explain makes one sentence of the reason why a server cannot run.
func explain(f failure, o *server.Options) error {
	var listen *net.OpError
	for _, arg := range f.args {
		if err, ok := arg.(error); ok && errors.As(err, &listen) {
			return explainListen(listen, strings.HasPrefix(f.format, "Error listening on port"), o)
		}
	}
	text := fmt.Sprintf(f.format, f.args...)
	cause, isJetStream := strings.CutPrefix(text, "Can't start JetStream: ")
	if isJetStream && strings.Contains(cause, "storage directory") {
		where := "choose another data directory with --data-dir"
		if o.ConfigFile != "" {
			where = "choose another store_dir in " + o.ConfigFile
		}
		return fmt.Errorf("JetStream cannot use %s (%s): mend it, or %s", o.StoreDir, cause, where)
	}
	if o.ConfigFile != "" {
		return fmt.Errorf("the NATS server configured by %s cannot start: %s", o.ConfigFile, text)
	}
	return fmt.Errorf("the NATS server cannot start: %s", text)
}

func explainListen(err *net.OpError, clients bool, o *server.Options) error {
	cause := err.Err
	var sys *os.SyscallError
	if errors.As(cause, &sys) {
		cause = sys.Err
	}
	address := "its address"
	if err.Addr != nil {
		address = err.Addr.String()
	}
	advice := "stop what uses it, or choose another with --port"
	switch {
	case !clients:
		advice = "stop what uses it, or choose another in " + o.ConfigFile
	case isForeign(cause):
		advice = "give an address of this machine with --host"
	}
	return fmt.Errorf("the NATS server cannot listen on %s (%w): %s", address, cause, advice)
}

// isForeign reports that an address is not one of this machine.
func isForeign(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.As(err, &dns)
}
