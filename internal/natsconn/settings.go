// Package natsconn is how every part of nex gets a NATS connection: one type for the settings, which
// are those of the nats command line, and errors that name the setting to change.
//
// Settings are plain values; all functions are safe for concurrent use. Nothing here prints, also
// not by way of the NATS client.
package natsconn

import "time"

// DefaultTimeout bounds connecting, and the wait for answers, unless told otherwise.
const DefaultTimeout = 5 * time.Second

// Settings are the connection settings of the nats command line, with the same flags, environment
// variables and meaning: a context supplies what the flags leave out, and unless one is named it is
// the selected context. In one thing they go further: credentials that are given replace a
// context's altogether, also if they are of another kind.
//
// The zero value connects to the selected context, or to nats://127.0.0.1:4222 without one.
type Settings struct {
	// Server is one URL or several, separated by commas.
	Server string `name:"server" short:"s" env:"NATS_URL" placeholder:"URL" group:"NATS connection" help:"NATS server URLs, separated by commas."`
	// User is a token if there is no Password.
	User     string `name:"user" env:"NATS_USER" placeholder:"USER" group:"NATS connection" help:"User name, or token if there is no password."`
	Password string `name:"password" env:"NATS_PASSWORD" placeholder:"PASSWORD" group:"NATS connection" help:"Password of the user."`
	Token    string `name:"token" env:"NATS_TOKEN" placeholder:"TOKEN" group:"NATS connection" help:"Token."`
	// Creds is a file.
	Creds string `name:"creds" env:"NATS_CREDS" placeholder:"FILE" group:"NATS connection" help:"Credentials file."`
	// NKey is a file with a seed.
	NKey string `name:"nkey" env:"NATS_NKEY" placeholder:"FILE" group:"NATS connection" help:"File with an nkey user's seed."`
	// UserJWT and UserSeed are what a credentials file consists of.
	UserJWT  string `name:"jwt" env:"NATS_JWT" placeholder:"JWT" group:"NATS connection" hidden:"" help:"User JWT."`
	UserSeed string `name:"seed" env:"NATS_SEED" placeholder:"SEED" group:"NATS connection" hidden:"" help:"Seed of the user JWT."`

	TLSCert  string `name:"tlscert" env:"NATS_CERT" placeholder:"FILE" group:"NATS connection" help:"TLS client certificate."`
	TLSKey   string `name:"tlskey" env:"NATS_KEY" placeholder:"FILE" group:"NATS connection" help:"Key of the TLS client certificate."`
	TLSCA    string `name:"tlsca" env:"NATS_CA" placeholder:"FILE" group:"NATS connection" help:"Certificate authorities to trust."`
	TLSFirst bool   `name:"tlsfirst" env:"NATS_TLS_FIRST" group:"NATS connection" help:"Do the TLS handshake before the server's greeting."`

	// Timeout bounds connecting, and the wait for answers; 0 means [DefaultTimeout].
	Timeout time.Duration `name:"timeout" env:"NATS_TIMEOUT" default:"5s" placeholder:"TIME" group:"NATS connection" help:"How long to wait for the server and for answers."`
	// Context is the name of a context, or the path of its .json file.
	Context string `name:"context" env:"NATS_CONTEXT" placeholder:"NAME" group:"NATS connection" help:"NATS context to take the settings from."`
	// NoContext keeps the selected context out; it does not go with Context.
	NoContext bool `name:"no-context" group:"NATS connection" hidden:"" help:"Do not use the selected NATS context."`
	// ConnName is what the server shows of the connection. Empty means nex.
	ConnName    string `name:"conn-name" aliases:"connection-name" placeholder:"NAME" group:"NATS connection" help:"Name of the connection, as the server shows it."`
	JSDomain    string `name:"jsdomain" aliases:"js-domain" env:"NATS_JS_DOMAIN" placeholder:"DOMAIN" group:"NATS connection" help:"JetStream domain."`
	InboxPrefix string `name:"inbox-prefix" placeholder:"PREFIX" group:"NATS connection" hidden:"" help:"Prefix of inbox subjects."`
	SocksProxy  string `name:"socks-proxy" env:"NATS_SOCKS_PROXY" placeholder:"PROXY" group:"NATS connection" hidden:"" help:"SOCKS5 proxy to connect through."`

	// field is where settings that are no flags come from: see [Of].
	field string
}

// Explicit reports whether the settings say where to connect to or as whom.
func (s Settings) Explicit() bool {
	return s.Server != "" || s.Context != "" || s.credentials()
}

// credentials reports whether the settings say as whom to connect.
func (s Settings) credentials() bool {
	for _, v := range []string{s.User, s.Password, s.Token, s.Creds, s.NKey, s.UserJWT, s.UserSeed, s.TLSCert, s.TLSKey} {
		if v != "" {
			return true
		}
	}
	return false
}

// authentication reports whether the settings have what replaces a context's user, token, creds,
// nkey or JWT. A TLS certificate goes along with any of these, and a password with a context's user.
func (s Settings) authentication() bool {
	s.TLSCert, s.TLSKey, s.Password, s.UserSeed = "", "", "", ""
	return s.credentials()
}

func (s Settings) timeout() time.Duration {
	if s.Timeout <= 0 {
		return DefaultTimeout
	}
	return s.Timeout
}
