package api

import (
	"sync"
	"time"

	"confman/api/wire"
)

// tallyPause is how long the log says nothing more of what keeps happening.
const tallyPause = 10 * time.Second

// tally keeps what happens often from flooding the log: the first of a kind is
// told at once, the others at intervals with how many they were.
type tally struct {
	mu   sync.Mutex // guards said
	said map[string]*occurrences
}

// occurrences is one kind.
type occurrences struct {
	at    time.Time // when it was last told
	since int       // how many came after that
}

func newTally() *tally { return &tally{said: map[string]*occurrences{}} }

// note counts one. It returns how many there are to tell of, 0 not to tell.
func (t *tally) note(kind string, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.said[kind]
	if k == nil {
		k = &occurrences{}
		t.said[kind] = k
	}
	k.since++
	if now.Sub(k.at) < tallyPause {
		return 0
	}
	n := k.since
	k.at, k.since = now, 0
	return n
}

// warn logs a problem that is this node's.
func (x *exchange) warn(p wire.Problem) {
	if n := x.tally.note(p.Type, x.Now()); n > 0 {
		x.Log.Warn().Str("correlationId", x.correlation).Str("route", x.route()).Int("status", p.Status).Int("count", n).Msg(p.Detail)
	}
}
