package embednats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/nats-io/nats-server/v2/logger"
	"github.com/nats-io/nats-server/v2/server"
)

// levelTrace is that of what nats-server itself calls debug or trace: far too much for slog's debug.
const levelTrace = slog.LevelDebug - 4

// logs passes on what nats-server logs, and catches what it calls fatal: it would exit.
type logs struct {
	to   *slog.Logger
	file server.Logger // nil unless the configuration file names one
	// fatal has room for the first failure; the server reports further ones that follow from it.
	fatal chan failure
}

// failure is the reason why a server cannot run.
type failure struct {
	format string
	args   []any
}

var _ server.Logger = (*logs)(nil)

// newLogs opens the log file that the options name, if any; close it after the server's end.
func newLogs(to *slog.Logger, o *server.Options) (*logs, error) {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	l := &logs{to: to, fatal: make(chan failure, 1)}
	switch {
	case o.LogFile != "":
		// nats-server ends the process when it cannot open the file.
		f, err := os.OpenFile(o.LogFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, fmt.Errorf("open the NATS server's log_file: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("open the NATS server's log_file: %w", err)
		}
		file := logger.NewFileLogger(o.LogFile, o.Logtime, o.Debug, o.Trace, true, logger.LogUTC(o.LogtimeUTC))
		if o.LogSizeLimit > 0 { // 0 would rotate at once
			err = file.SetSizeLimit(o.LogSizeLimit)
		}
		if o.LogMaxFiles > 0 {
			err = errors.Join(err, file.SetMaxNumFiles(int(o.LogMaxFiles)))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("set up the NATS server's log_file: %w", err), file.Close())
		}
		l.file = file
	case o.RemoteSyslog != "":
		l.file = logger.NewRemoteSysLogger(o.RemoteSyslog, o.Debug, o.Trace)
	case o.Syslog:
		l.file = logger.NewSysLogger(o.Debug, o.Trace)
	}
	return l, nil
}

// attach makes the server log here.
func (l *logs) attach(s *server.Server, o *server.Options) {
	trace := l.to.Enabled(context.Background(), levelTrace)
	s.SetLoggerV2(l, o.Debug || trace, o.Trace, o.TraceVerbose)
}

// close closes the log file.
func (l *logs) close() error {
	if c, ok := l.file.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

func (l *logs) log(level slog.Level, format string, args []any) {
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	l.to.Log(context.Background(), level, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Noticef implements [server.Logger].
func (l *logs) Noticef(format string, args ...any) {
	l.log(slog.LevelDebug, format, args)
	if l.file != nil {
		l.file.Noticef(format, args...)
	}
}

// Warnf implements [server.Logger].
func (l *logs) Warnf(format string, args ...any) {
	l.log(slog.LevelWarn, format, args)
	if l.file != nil {
		l.file.Warnf(format, args...)
	}
}

// Errorf implements [server.Logger].
func (l *logs) Errorf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	if l.file != nil {
		l.file.Errorf(format, args...)
	}
}

// Debugf implements [server.Logger].
func (l *logs) Debugf(format string, args ...any) {
	l.log(levelTrace, format, args)
	if l.file != nil {
		l.file.Debugf(format, args...)
	}
}

// Tracef implements [server.Logger].
func (l *logs) Tracef(format string, args ...any) {
	l.log(levelTrace, format, args)
	if l.file != nil {
		l.file.Tracef(format, args...)
	}
}

// Fatalf implements [server.Logger]. While the server starts, Start returns the failure; one that
// comes later, or after the first, is logged as an error.
func (l *logs) Fatalf(format string, args ...any) {
	select {
	case l.fatal <- failure{format, args}:
	default:
		l.log(slog.LevelError, format, args)
	}
	if l.file != nil {
		l.file.Errorf(format, args...) // its Fatalf ends the process
	}
}
