package embednats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Server is an embedded NATS server.
type Server struct {
	cfg       Config
	opts      *server.Options
	admission admission
	door      *door

	// Set by Start.
	nats *server.Server
	logs *logs
}

// New checks the configuration and returns a server that does not run yet. It reads ConfigFile and
// what that refers to, and changes nothing. The error is one sentence; that of a faulty file names
// file and line.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	opts, file, err := cfg.options()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, opts: opts}
	if cfg.Control == nil {
		return s, nil
	}
	workload, err := newKey()
	if err != nil {
		return nil, err
	}
	s.admission = admission{cfg: cfg, opts: opts, file: file, workload: workload}
	if s.door, err = s.admission.admit(); err != nil {
		return nil, err
	}
	return s, nil
}

// Start starts the server and returns when all its listeners accept connections. JetStream has then
// recovered what is in its store. If it fails, or ctx ends first, nothing of the server is left; the
// error is one sentence that says what to change. Call it once.
func (s *Server) Start(ctx context.Context) error {
	var err error
	if s.logs, err = newLogs(s.cfg.Logger, s.opts); err != nil {
		return err
	}
	ns, err := server.NewServer(s.opts)
	if err != nil {
		return errors.Join(s.refused(err), s.logs.close())
	}
	s.nats = ns
	s.logs.attach(ns, s.opts)
	if s.door != nil {
		s.door.server.Store(ns)
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		ns.Start()
	}()
	if err := s.awaitReady(ctx, started); err != nil {
		<-started // nats-server cannot be shut down safely while it starts
		s.Shutdown()
		return err
	}
	return nil
}

// refused is what Start returns when nats-server does not accept the options.
func (s *Server) refused(err error) error {
	if s.cfg.ConfigFile != "" {
		return fileProblem(s.cfg.ConfigFile, err)
	}
	return fmt.Errorf("the NATS server cannot start: %w", err)
}

// readyWait is the longest that one look for the listeners takes. The first look suffices except
// in a cluster, whose listener comes last.
const readyWait = 50 * time.Millisecond

func (s *Server) awaitReady(ctx context.Context, started <-chan struct{}) error {
	select {
	case <-started:
	case <-ctx.Done():
	}
	for {
		select {
		case f := <-s.logs.fatal:
			return explain(f, s.opts)
		case <-ctx.Done():
			return fmt.Errorf("start the NATS server: %w", context.Cause(ctx))
		default:
		}
		if !s.nats.ReadyForConnections(readyWait) {
			continue
		}
		select {
		case s.logs.fatal <- failure{}: // nobody reads further ones, so they are logged
			return nil
		default: // one has just come
		}
	}
}

// Shutdown ends the server and returns when nothing of it runs any more. Connections are closed,
// in-process ones too. It may be called more than once, and on a server that does not run.
func (s *Server) Shutdown() {
	if s.nats == nil {
		return
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	if err := s.logs.close(); err != nil && s.cfg.Logger != nil {
		s.cfg.Logger.Warn("cannot close the NATS server's log_file", "error", err)
	}
}

// ClientURL is how clients on this machine reach the server. Call it once Start has returned.
func (s *Server) ClientURL() string {
	port := s.opts.Port
	if addr, ok := s.nats.Addr().(*net.TCPAddr); ok {
		port = addr.Port
	}
	return clientURL(s.opts.Host, port, s.opts.TLSConfig)
}

// HasJetStream says whether the server has JetStream.
func (s *Server) HasJetStream() bool { return s.opts.JetStream }

// ControlAccount says whether the server has the control account and its nkey user. If not, it was
// given no control key, or its configuration is in operator mode, and control connections need
// credentials.
func (s *Server) ControlAccount() bool { return s.cfg.Control != nil && !s.admission.operator() }

// ControlOptions makes an in-process connection in the control account. It fails with a sentence
// for the user if [Server.ControlAccount] is false. Use the options once Start has returned.
func (s *Server) ControlOptions() ([]nats.Option, error) {
	if !s.ControlAccount() {
		return nil, needsCreds(s.cfg.ConfigFile)
	}
	return s.inProcess(s.cfg.Control), nil
}

// WorkloadOptions makes an in-process connection in the workload account. It fails with a sentence
// for the user if the configuration file does not tell which account that is. Use the options once
// Start has returned.
func (s *Server) WorkloadOptions() ([]nats.Option, error) {
	if s.cfg.Control == nil {
		return nil, errors.New("embednats: a server without control account makes no connections")
	}
	if err := s.admission.workloadErr; err != nil {
		return nil, err
	}
	return s.inProcess(s.admission.workload), nil
}

// InProcess makes a connection in this process. It authenticates like any other client.
func (s *Server) InProcess() nats.Option { return nats.InProcessServer(s) }

// InProcessConn implements [nats.InProcessConnProvider].
func (s *Server) InProcessConn() (net.Conn, error) {
	if s.nats == nil {
		return nil, errors.New("the NATS server does not run")
	}
	return s.nats.InProcessConn()
}

// inProcessWait is the pause before an in-process connection that was lost, say as a slow consumer,
// is made again.
const inProcessWait = 50 * time.Millisecond

func (s *Server) inProcess(k *Key) []nats.Option {
	return []nats.Option{s.InProcess(), k.Option(), nats.MaxReconnects(-1), nats.ReconnectWait(inProcessWait)}
}
