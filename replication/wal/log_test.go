package wal

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
)

func TestFailedWriteIsFatalOnce(t *testing.T) {
	broken := errors.New("input/output error")
	for what, write := range writes {
		t.Run(what, func(t *testing.T) {
			store := newMemory()
			var fatal []error
			l, err := newLog(Config{Fatal: func(err error) { fatal = append(fatal, err) }}, store)
			if err != nil {
				t.Fatal(err)
			}
			store.before = func() error { return broken }
			for range 2 {
				err := write(l)
				if !errors.Is(err, ErrFailed) || !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), what) {
					t.Fatalf("got %v", err)
				}
			}
			if len(fatal) != 1 || !errors.Is(fatal[0], ErrFailed) {
				t.Fatalf("Fatal got %v, want one ErrFailed", fatal)
			}
		})
	}
}

func TestStalledWriteIsFatalWhileItHangs(t *testing.T) {
	for what, write := range writes {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory()
				fatal := make(chan error, 1)
				l, err := newLog(Config{Fatal: func(err error) { fatal <- err }}, store)
				if err != nil {
					t.Fatal(err)
				}
				disk := make(chan struct{})
				store.before = func() error { <-disk; return nil }
				began, returned := time.Now(), make(chan error)
				go func() { returned <- write(l) }()
				select {
				case err := <-fatal:
					if !errors.Is(err, ErrStalled) || !strings.HasPrefix(err.Error(), what) {
						t.Fatalf("Fatal got %v", err)
					}
					if d := time.Since(began); d != 3*time.Second {
						t.Fatalf("noticed after %v, want 3s", d)
					}
				case <-returned:
					t.Fatal("the write returned from a disk that hangs")
				}
				close(disk)
				<-returned
			})
		})
	}
}

func TestSlowWriteIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l, err := newLog(Config{Fatal: func(err error) { t.Error(err) }}, store)
		if err != nil {
			t.Fatal(err)
		}
		store.before = func() error { <-time.After(defaultStall - 1); return nil }
		for range 3 {
			if err := l.Set([]byte("k"), nil); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(2 * defaultStall) // a watchdog that was not stopped would bark now
	})
}

func TestWriteAfterCloseIsRefusedNotFatal(t *testing.T) {
	l, fatal := open(t, t.TempDir())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for what, write := range writes {
		if err := write(l); !errors.Is(err, raftwal.ErrClosed) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	select {
	case err := <-fatal:
		t.Fatal(err)
	default:
	}
}

func TestOpenWithoutFatalIsRefused(t *testing.T) {
	if _, err := Open(Config{Dir: t.TempDir()}); err == nil {
		t.Fatal("opened a log that cannot fail stop")
	}
}

// states is a state machine that counts what it was given.
type states struct{ applied int }

func (s *states) Apply(*raft.Log) any                 { s.applied++; return s.applied }
func (s *states) Snapshot() (raft.FSMSnapshot, error) { return nil, errors.New("no snapshots here") }
func (s *states) Restore(io.ReadCloser) error         { return errors.New("no snapshots here") }

func TestRaftRestartsOnItsLog(t *testing.T) {
	dir := t.TempDir()
	for run := 1; run <= 3; run++ {
		l, fatal := open(t, dir)
		before := l.PersistedTerm()
		addr, transport := raft.NewInmemTransport("n1")
		cfg := raft.DefaultConfig()
		cfg.LocalID, cfg.Logger = "n1", hclog.NewNullLogger()
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
		snapshots := raft.NewDiscardSnapshotStore()
		if run == 1 {
			err := raft.BootstrapCluster(cfg, l, l, snapshots, transport, raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: addr}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		r, err := raft.NewRaft(cfg, &states{}, l, l, snapshots, transport)
		if err != nil {
			t.Fatal(err)
		}
		if !<-r.LeaderCh() {
			t.Fatal("lost leadership")
		}
		if got := l.PersistedTerm(); got != r.CurrentTerm() || got <= before {
			t.Errorf("persisted term %d, Raft is in %d, was in %d", got, r.CurrentTerm(), before)
		}
		for i := 1; i <= 20; i++ { // each run writes 20 more, over several segments
			f := r.Apply(make([]byte, 2000), 0)
			if err := f.Error(); err != nil || f.Response() != (run-1)*20+i {
				t.Fatalf("run %d, write %d: %v, response %v", run, i, err, f.Response())
			}
		}
		if err := errors.Join(r.Shutdown().Error(), l.Close()); err != nil {
			t.Fatal(err)
		}
		if len(fatal) > 0 {
			t.Fatal(<-fatal)
		}
	}
}
