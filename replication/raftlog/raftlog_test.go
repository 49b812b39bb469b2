package raftlog

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rs/zerolog"
)

func TestARepeatedLineIsHeldBackForLongerEachTimeAndCounted(t *testing.T) {
	var out bytes.Buffer
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := start
	s := newSink(zerolog.New(&out), func() time.Time { return now })
	for ; now.Sub(start) < time.Hour; now = now.Add(100 * time.Millisecond) {
		s.Accept("raft", hclog.Error, "failed to heartbeat to", "peer", "n2", "error", errors.New("connection refused"))
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	// At 0 s, 10, 30, 70, 150, 310, 630, then every ten minutes.
	if len(lines) != 11 {
		t.Errorf("%d lines in an hour, want 11", len(lines))
	}
	if strings.Contains(lines[0], "repeated") || !strings.Contains(lines[1], `"repeated":99`) || !strings.Contains(lines[2], `"repeated":199`) {
		t.Errorf("%s", strings.Join(lines[:3], "\n"))
	}
	out.Reset()
	s.Accept("raft", hclog.Error, "failed to heartbeat to", "peer", "n3")
	if !strings.Contains(out.String(), `"peer":"n3"`) {
		t.Error("another peer's line was held back")
	}
	out.Reset()
	now = now.Add(time.Hour)
	s.Accept("raft", hclog.Error, "failed to heartbeat to", "peer", "n2")
	now = now.Add(minQuiet)
	s.Accept("raft", hclog.Error, "failed to heartbeat to", "peer", "n2")
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines after an hour without one, want 2", n)
	}
}

func TestOrdinaryLinesAreForDebugging(t *testing.T) {
	reset := []any{"error", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}}
	for _, tt := range []struct {
		level hclog.Level
		msg   string
		args  []any
		want  zerolog.Level
	}{
		{hclog.Debug, "", nil, zerolog.DebugLevel},
		{hclog.Info, "", nil, zerolog.DebugLevel},
		{hclog.Warn, "", nil, zerolog.WarnLevel},
		{hclog.Error, "", []any{"error", errors.New("x")}, zerolog.ErrorLevel},
		{hclog.Error, "", []any{"error", io.EOF}, zerolog.DebugLevel},
		{hclog.Error, "failed to appendEntries to", reset, zerolog.ErrorLevel},
		{hclog.Error, "failed to decode incoming command", []any{"error", errors.New("unknown rpc type 71")}, zerolog.ErrorLevel},
		{hclog.Error, "failed to decode incoming command", reset, zerolog.DebugLevel},
		{hclog.Error, "failed to flush response", reset, zerolog.DebugLevel},
	} {
		if got := levelOf(tt.level, tt.msg, tt.args); got != tt.want {
			t.Errorf("%v %q %v: %v, want %v", tt.level, tt.msg, tt.args, got, tt.want)
		}
	}
}
