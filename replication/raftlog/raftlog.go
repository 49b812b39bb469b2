// Package raftlog brings what hashicorp's libraries log into a zerolog.Logger,
// for whoever looks closer: an operator is told of changes of state by package
// replication, once each. What Raft says in the ordinary course is for debugging;
// its warnings and errors stay what they are, and one that it repeats, many a
// second about a peer that is down, is said now and then with a count.
package raftlog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rs/zerolog"
)

// A warning or an error is not repeated for minQuiet, and for twice as long after
// each time that it was, up to maxQuiet.
const (
	minQuiet = 10 * time.Second
	maxQuiet = 10 * time.Minute
	maxSaid  = 256 // lines that are remembered
)

// New returns a logger for a hashicorp library that writes to log as part name.
func New(name string, log zerolog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: name, Level: hclog.Debug, Output: io.Discard})
	l.RegisterSink(newSink(log, time.Now))
	return l
}

type sink struct {
	log zerolog.Logger
	now func() time.Time

	mu   sync.Mutex // guards said
	said map[string]*repeated
}

// repeated is a line that was said before.
type repeated struct {
	at    time.Time     // when it was last written
	quiet time.Duration // for how long it is held back since
	held  int           // how often it was, since
}

func newSink(log zerolog.Logger, now func() time.Time) *sink {
	return &sink{log: log, now: now, said: map[string]*repeated{}}
}

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...any) {
	zl := levelOf(level, msg, args)
	held := 0
	if zl >= zerolog.WarnLevel {
		var say bool
		if held, say = s.due(msg, args); !say {
			return
		}
	}
	e := s.log.WithLevel(zl).Str("part", name)
	if held > 0 {
		e = e.Int("repeated", held)
	}
	for i := 0; i+1 < len(args); i += 2 {
		name := fmt.Sprint(args[i])
		if name == "node" { // the logger has said which
			name = "self"
		}
		e = e.Str(name, text(args[i+1]))
	}
	e.Msg(msg)
}

// answering are what Raft says when it cannot go on answering a peer.
var answering = []string{"failed to decode incoming command", "failed to flush response"}

// levelOf is the library's level, but for the ordinary course of things, and for
// connections that end because somebody closed them, or that break while a peer is
// answered: a resting one is found broken long after the network was, and the peer,
// which dials again, says what it means.
func levelOf(level hclog.Level, msg string, args []any) zerolog.Level {
	answers := slices.Contains(answering, msg)
	for _, a := range args {
		err, ok := a.(error)
		var broken net.Error
		if ok && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || answers && errors.As(err, &broken)) {
			return zerolog.DebugLevel
		}
	}
	switch level {
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

// due reports whether a line about a peer is to be written now, and how often it
// was held back since the last time.
func (s *sink) due(msg string, args []any) (held int, say bool) {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "peer" || args[i] == "server-id" {
			msg += text(args[i+1])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r := s.said[msg]
	switch {
	case r == nil:
		if len(s.said) >= maxSaid {
			clear(s.said)
		}
		r = &repeated{quiet: minQuiet / 2}
		s.said[msg] = r
	case now.Sub(r.at) < r.quiet:
		r.held++
		return 0, false
	case now.Sub(r.at) >= 2*r.quiet: // it is news again
		r.quiet = minQuiet / 2
	}
	held, r.held = r.held, 0
	r.at, r.quiet = now, min(2*r.quiet, maxQuiet)
	return held, true
}
