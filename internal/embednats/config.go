package embednats

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
)

// Where a server without a configuration file listens unless told otherwise.
const (
	DefaultHost = "127.0.0.1"
	DefaultPort = 4222
)

// Config says what to serve. StoreDir is required, and Control or ConfigFile.
type Config struct {
	// Host is the address that clients connect to. Empty means what ConfigFile says, and without one
	// [DefaultHost].
	Host string
	// Port is the port that clients connect to; 0 picks a free one. Nil means what ConfigFile says,
	// and without one [DefaultPort].
	Port *int
	// StoreDir is where JetStream keeps its data, unless ConfigFile names another place.
	StoreDir string
	// ConfigFile is a nats-server configuration file. Its meaning is nats-server's: nothing of it is
	// filtered, and what it does not mention has nats-server's default. In particular there is
	// JetStream only if it says so, and without an address it listens on all of them.
	ConfigFile string
	// Control is the user of the control account. Nil serves ConfigFile as it is, without that account
	// and without workload connections.
	Control *Key
	// WorkloadAccount is the account in ConfigFile that this process's workload connections belong
	// to. Empty means where a client without credentials lands; if none may connect, the only account
	// that the file's clients can be in.
	WorkloadAccount string
	// Logger gets what the server logs: notices as debug, warnings and errors as such. Nil discards.
	Logger *slog.Logger
}

// options returns nats-server's form of the configuration, without what [Server] adds, and the
// parsed content of the file.
func (c Config) options() (*server.Options, map[string]any, error) {
	o := &server.Options{}
	var file map[string]any
	if c.ConfigFile == "" {
		o.Host, o.Port, o.JetStream = DefaultHost, DefaultPort, true
	} else {
		var err error
		if o, err = server.ProcessConfigFile(c.ConfigFile); err != nil {
			return nil, nil, fileProblem(c.ConfigFile, err)
		}
		if file, err = conf.ParseFile(c.ConfigFile); err != nil {
			return nil, nil, fileProblem(c.ConfigFile, err)
		}
	}
	if c.Host != "" {
		o.Host = c.Host
	}
	if c.Port != nil {
		o.Port = *c.Port
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
	}
	if o.StoreDir == "" {
		o.StoreDir = c.StoreDir
	}
	o.NoSigs = true // signals are the caller's
	o.DisableJetStreamBanner = true
	return o, file, nil
}

func (c Config) check() error {
	switch {
	case c.Control == nil && c.ConfigFile == "":
		return errors.New("embednats: Config.Control is missing")
	case c.StoreDir == "":
		return errors.New("embednats: Config.StoreDir is missing")
	case c.Port != nil && (*c.Port < 0 || *c.Port > 65535):
		return fmt.Errorf("%d is not a port: choose one from 1 to 65535 with --port, or 0 for a free one", *c.Port)
	}
	return nil
}

// fileProblem makes one sentence of what nats-server dislikes about a configuration file. Its
// errors name file, line and column, one per line of text.
func fileProblem(path string, err error) error {
	var several interface{ Errors() []error }
	texts := []string{err.Error()}
	if errors.As(err, &several) {
		texts = nil
		for _, e := range several.Errors() {
			texts = append(texts, e.Error())
		}
		slices.Sort(texts) // they come in random order
	}
	if _, statErr := os.Stat(path); statErr != nil {
		return fmt.Errorf("the NATS server configuration cannot be read (%w): name another file with --nats-config", statErr)
	}
	text := strings.TrimSpace(texts[0])
	if !strings.Contains(text, path) {
		text = path + ": " + text
	}
	if more := len(texts) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return fmt.Errorf("the NATS server configuration is wrong: %s", text)
}
