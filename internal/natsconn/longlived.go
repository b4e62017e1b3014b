package natsconn

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// pingInterval lets a long-lived connection notice within a quarter of a minute that the way to the
// server is dead, and lets it outlast a server, or a way to it, that is stuck for ten seconds: what is on
// its way then still arrives.
const pingInterval = 5 * time.Second

// ReconnectBufferBytes bounds what a connection keeps to be sent while its server is away; replies of
// functions are among that.
const ReconnectBufferBytes = 8 << 20

// LongLived returns the options of a connection that lives as long as its process: it notices soon
// when the server is gone, and log, which must not be nil, is told about losses and errors. A server that
// does not let the user in any more is asked again for ever: a credentials file that is renewed is read anew.
func (s Settings) LongLived(log *slog.Logger) []nats.Option {
	l := &lifeLog{settings: s, log: log}
	return []nats.Option{
		nats.PingInterval(pingInterval),
		nats.ReconnectBufSize(ReconnectBufferBytes),
		nats.DisconnectErrHandler(l.lost),
		nats.CustomReconnectDelay(l.delay),
		nats.ReconnectHandler(l.back),
		nats.ErrorHandler(l.reported),
	}
}

// lifeLog logs what becomes of a connection. It is safe for concurrent use.
type lifeLog struct {
	settings Settings
	log      *slog.Logger

	mu   sync.Mutex
	nc   *nats.Conn // nil until it was lost
	said time.Time  // when it was last said why the connection does not come back
	last string     // and what
}

// sayAgain is how often it is said why a connection does not come back, as long as that is the same.
const sayAgain = time.Minute

func (l *lifeLog) lost(nc *nats.Conn, err error) {
	l.mu.Lock()
	l.nc = nc
	l.mu.Unlock()
	if err != nil { // nil when the process closes the connection
		l.log.Warn("lost the NATS connection, reconnecting", "error", err)
	}
}

func (l *lifeLog) back(nc *nats.Conn) {
	l.log.Info("NATS connection is back", "url", ConnectedURL(nc))
}

// delay is asked for after each round through the servers. What was wrong with TLS is nowhere else to be had.
func (l *lifeLog) delay(rounds int) time.Duration {
	l.mu.Lock()
	nc := l.nc
	l.mu.Unlock()
	if c, failed := l.settings.resolve(); nc != nil && failed == nil {
		if err := nc.LastError(); err != nil {
			if sentence := l.settings.tlsSentence(c, l.at(nc), err); sentence != "" {
				l.stuck(sentence, err)
			}
		}
	}
	return reconnectDelay(rounds)
}

func (l *lifeLog) reported(nc *nats.Conn, sub *nats.Subscription, err error) {
	if isRefusal(err) {
		if c, failed := l.settings.resolve(); failed == nil {
			l.stuck(l.settings.authSentence(c, l.at(nc), err), err)
			return
		}
	}
	if errors.Is(err, nats.ErrPermissionViolation) {
		l.log.Warn("the NATS server lets the connection not do this: add it to the permissions of its user", "connection", nc.Opts.Name, "error", err)
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	l.log.Warn("NATS reports an error", "error", err, "subject", subject)
}

// at is where a connection is made to.
func (l *lifeLog) at(nc *nats.Conn) string {
	if at := ConnectedURL(nc); at != "" {
		return at
	}
	at, _ := l.settings.URL() // it was made from them
	return at
}

// stuck says why the connection does not come back, unless that was said just now.
func (l *lifeLog) stuck(sentence string, err error) {
	l.mu.Lock()
	again := l.last == sentence && time.Since(l.said) < sayAgain
	if !again {
		l.last, l.said = sentence, time.Now()
	}
	l.mu.Unlock()
	if !again {
		l.log.Error(sentence+"; trying again until then", "error", err)
	}
}
