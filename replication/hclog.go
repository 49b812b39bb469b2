package replication

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rs/zerolog"
)

// hclogger writes what Raft logs to log.
func hclogger(log zerolog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Debug, Output: io.Discard})
	l.RegisterSink(&quietSink{log: log, said: map[string]time.Time{}})
	return l
}

// quietInterval is how long a line is not repeated. Raft logs each failed call
// to a peer that is down, many a second, for as long as it is.
const quietInterval = 10 * time.Second

type quietSink struct {
	log zerolog.Logger

	mu   sync.Mutex // guards said
	said map[string]time.Time
}

// Accept implements hclog.SinkAdapter.
func (s *quietSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	zl := zerolog.DebugLevel
	switch level {
	case hclog.Info:
		zl = zerolog.InfoLevel
	case hclog.Warn:
		zl = zerolog.WarnLevel
	case hclog.Error:
		zl = zerolog.ErrorLevel
	}
	if zl >= zerolog.WarnLevel && !s.first(msg, args) {
		return
	}
	s.log.WithLevel(zl).Str("part", name).Fields(args).Msg(msg)
}

// first reports whether the line about this peer was not said lately.
func (s *quietSink) first(msg string, args []any) bool {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == "peer" || args[i] == "server-id" {
			msg += fmt.Sprint(args[i+1])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.said[msg]) < quietInterval {
		return false
	}
	if len(s.said) > 256 {
		clear(s.said)
	}
	s.said[msg] = now
	return true
}
