package peer

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-metrics"
	"github.com/hashicorp/raft"
)

// unguarded gives Raft's own handler the heartbeats, as raft.NetworkTransport does.
type unguarded struct{ *Transport }

func (u unguarded) SetHeartbeatHandler(h func(raft.RPC)) { u.net.SetHeartbeatHandler(h) }

// The schedule of hashicorp/raft #695: the main goroutine of a leader is held
// between its check of the state and the write of two new entries; it is cut off,
// another leader is elected and acknowledges a write; the network heals, a
// heartbeat of the new leader arrives, and the old one goes on.
//
// When the first case fails, Raft has the fix: remove the guard.
func TestHeartbeatDoesNotMakeReplicasDiverge(t *testing.T) {
	tests := map[string]struct {
		wrap    func(*Transport) raft.Transport
		diverge bool
	}{
		"Raft's own handler": {func(tr *Transport) raft.Transport { return unguarded{tr} }, true},
		"guarded":            {func(tr *Transport) raft.Transport { return tr }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			hold := holdLeaders(t)
			members := newCluster(t, test.wrap)
			old := leader(t, members)
			rest := others(members, old)
			apply(t, old, "common")
			holds(t, members, "common")

			release := hold.inside(t, old, "lost 1")
			term := old.raft.CurrentTerm()
			old.isolate(rest)
			go old.raft.Apply([]byte("lost 2"), 0)
			next := leader(t, rest)
			apply(t, next, "acknowledged")
			old.guard.Store(0)
			old.rejoin(rest)
			eventually(t, "a heartbeat of the new term has arrived", func() bool {
				return old.raft.CurrentTerm() > term || old.guard.Load() > 0
			})
			if moved := old.raft.CurrentTerm() > term; moved != test.diverge {
				t.Errorf("term changed beside the main goroutine: %v", moved)
			}
			release()

			apply(t, leader(t, members), "end")
			holds(t, members, "end")
			want, got := next.state.all(), old.state.all()
			t.Logf("acknowledged history %v, old leader's %v", want, got)
			if diverged := !slices.Equal(got, want); diverged != test.diverge {
				t.Errorf("diverged: %v, want %v", diverged, test.diverge)
			}
		})
	}
}

// isolate cuts the member off; rejoin undoes it.
func (m *member) isolate(rest []*member) {
	m.cut(rest, true)
	m.disconnect()
}

func (m *member) rejoin(rest []*member) { m.cut(rest, false) }

func (m *member) cut(rest []*member, deaf bool) {
	for _, o := range rest {
		o.ignore(m.id, deaf)
		m.ignore(o.id, deaf)
	}
}

// holder is a metrics sink that can hold a leader's main goroutine: once a second
// that reports its load, between taking something to do and doing it.
type holder struct {
	metrics.BlackholeSink
	reports chan time.Time
	trap    atomic.Pointer[func()]
}

func holdLeaders(t *testing.T) *holder {
	t.Helper()
	h := &holder{reports: make(chan time.Time, 1)}
	if _, err := metrics.NewGlobal(&metrics.Config{FilterDefault: true}, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := metrics.NewGlobal(&metrics.Config{}, &metrics.BlackholeSink{}); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *holder) AddSampleWithLabels(key []string, _ float32, _ []metrics.Label) {
	if strings.Join(key, ".") != "raft.thread.main.saturation" {
		return
	}
	stack := make([]byte, 16<<10)
	if stack = stack[:runtime.Stack(stack, false)]; !strings.Contains(string(stack), "leaderLoop") {
		return
	}
	select {
	case h.reports <- time.Now():
	default:
	}
	if trap := h.trap.Load(); trap != nil {
		(*trap)()
	}
}

// inside holds the main goroutine of the leader after it has taken command from its
// queue and before it does anything with it. The report must be due, and the command
// what wakes the leader, so it may take several attempts.
func (h *holder) inside(t *testing.T, leader *member, command string) (release func()) {
	t.Helper()
	for range 15 {
		var last time.Time
		for len(h.reports) > 0 {
			<-h.reports
		}
		select {
		case last = <-h.reports:
		case <-time.After(patience):
			t.Fatal("the leader does not report")
		}
		<-time.After(time.Until(last.Add(time.Second + 2*time.Millisecond))) // reports are a second apart

		taken, held, missed, released := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
		trap := func() {
			h.trap.Store(nil)
			select {
			case <-taken:
				close(held)
				<-released
			case <-time.After(50 * time.Millisecond):
				close(missed)
			}
		}
		h.trap.Store(&trap)
		go func() {
			leader.raft.Apply([]byte(command), 0)
			close(taken)
		}()
		select {
		case <-held:
			release := sync.OnceFunc(func() { close(released) })
			t.Cleanup(release) // Raft cannot shut down while it is held
			return release
		case <-missed: // something else woke the leader; it has written the command by now
		}
	}
	t.Fatal("the leader was never caught in the right place")
	return nil
}
