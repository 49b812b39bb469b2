// Package raftlog brings what hashicorp's libraries log into a zerolog.Logger.
// It keeps a peer that is down from flooding it.
package raftlog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rs/zerolog"
)

// quiet is how long a warning or an error about the same peer is not repeated:
// Raft logs each failed call to one that is down, many a second.
const quiet = 10 * time.Second

// New returns a logger for a hashicorp library that writes to log as part name.
func New(name string, log zerolog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: name, Level: hclog.Debug, Output: io.Discard})
	l.RegisterSink(&sink{log: log, said: map[string]time.Time{}})
	return l
}

type sink struct {
	log zerolog.Logger

	mu   sync.Mutex // guards said
	said map[string]time.Time
}

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	zl := levelOf(level, args)
	if zl >= zerolog.WarnLevel && !s.first(msg, args) {
		return
	}
	e := s.log.WithLevel(zl).Str("part", name)
	for i := 0; i+1 < len(args); i += 2 {
		name := fmt.Sprint(args[i])
		if name == "node" { // the logger has said which
			name = "self"
		}
		e = e.Str(name, text(args[i+1]))
	}
	e.Msg(msg)
}

// levelOf is the library's level, but for connections that end because somebody
// closed them.
func levelOf(level hclog.Level, args []any) zerolog.Level {
	for _, a := range args {
		if err, ok := a.(error); ok && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)) {
			return zerolog.DebugLevel
		}
	}
	switch level {
	case hclog.Info:
		return zerolog.InfoLevel
	case hclog.Warn:
		return zerolog.WarnLevel
	case hclog.Error:
		return zerolog.ErrorLevel
	}
	return zerolog.DebugLevel
}

func text(value any) string {
	if f, ok := value.(hclog.Format); ok && len(f) > 0 {
		return fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
	}
	return fmt.Sprint(value)
}

// first reports whether the line about this peer was not said lately.
func (s *sink) first(msg string, args []any) bool {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "peer" || args[i] == "server-id" {
			msg += text(args[i+1])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, said := s.said[msg]; said && now.Sub(last) < quiet {
		return false
	}
	if len(s.said) > 256 {
		clear(s.said)
	}
	s.said[msg] = now
	return true
}
