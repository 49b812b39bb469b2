package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"confman/cmd/torture/streams"
)

// subscriber is one watch that is kept up through all faults, on whichever node,
// and remembers all that it was told.
type subscriber struct {
	a        *audience
	rng      *rand.Rand // of its goroutine
	name     string
	key      string // API key
	encoding string
	filter   streams.Filter
	asks     string // a position, or one of the wire.After constants
	byID     bool   // what it asks for was an id

	mu     sync.Mutex // guards the fields below
	legs   []streams.Leg
	events []uint64 // indexes, as they came
}

// begin notes a new connection.
func (s *subscriber) begin(at spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legs = append(s.legs, streams.Leg{
		Node: at.node.id, Proxied: at.proxied, Asked: s.asks, ByID: s.byID, Began: time.Now(), End: streams.EndedStill,
	})
}

// note changes what is known of the present connection.
func (s *subscriber) note(change func(*streams.Leg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.legs[len(s.legs)-1])
}

// take notes a frame of the present connection.
func (s *subscriber) take(f streams.Frame) {
	s.note(func(l *streams.Leg) { l.Frames = append(l.Frames, f) })
	if f.Event != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, f.Event.Index)
	}
}

// end notes how the present connection ended, and what to ask for on the next.
func (s *subscriber) end(end streams.End, err error) {
	s.note(func(l *streams.Leg) {
		l.End, l.Err, l.Ended = end, err, time.Now()
		if errors.Is(err, streams.ErrMalformed) {
			l.End = streams.EndedBroken
		}
		s.asks = l.Next()
	})
}

// has reports whether an event has come on the connection of this number, and
// whether there is another by now.
func (s *subscriber) has(event uint64, number int) (come, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.events[max(0, len(s.events)-200):], event), len(s.legs) != number
}

// stands is up to which index everything has come, on how many connections, and
// the last of them.
func (s *subscriber) stands() (index uint64, legs int, last streams.Leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.legs) == 0 {
		return 0, 0, last
	}
	last = s.legs[len(s.legs)-1]
	digits, _, _ := strings.Cut(last.Next(), "-")
	index, _ = strconv.ParseUint(digits, 10, 64) // words stand for 0
	return index, len(s.legs), last
}

// stream is what there is to be checked, once the subscriber has ended.
func (s *subscriber) stream() streams.Stream {
	return streams.Stream{Name: s.name, Encoding: s.encoding, Filter: s.filter, Legs: s.legs}
}

// run keeps a watch by SSE or NDJSON up until the context ends.
func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		at := s.a.spot(s.rng)
		s.begin(at)
		s.connect(ctx, at)
		s.a.rest(ctx, s.rng)
	}
}

// connect is one connection, from dialling to its end.
func (s *subscriber) connect(ctx context.Context, at spot) {
	f, err := streams.Dial(ctx, streams.Call{
		Address: at.address, Key: s.key, Encoding: s.encoding, Filter: s.filter, After: s.asks, ByID: s.byID,
	})
	if err != nil {
		s.end(streams.EndedByServer, err)
		return
	}
	defer f.Close()
	s.note(func(l *streams.Leg) { l.Status, l.Problem = f.Status, f.Problem })
	if f.Status != http.StatusOK {
		asked := s.asks
		s.end(streams.EndedRefused, nil)
		s.byID = s.byID && s.asks == asked // a page begins anew with another URL
		return
	}
	end, err := s.read(at, f)
	if ctx.Err() != nil {
		end = streams.EndedByClient
	}
	s.end(end, err)
	if f.LastID == "" {
		return
	}
	if s.byID = true; f.LastID != s.asks {
		s.note(func(l *streams.Leg) {
			l.End, l.Err = streams.EndedBroken, fmt.Errorf("a browser would resume at %q, the frames say %q", f.LastID, s.asks)
		})
	}
}

// read takes frames until the connection ends or the subscriber has enough.
func (s *subscriber) read(at spot, f *streams.Feed) (streams.End, error) {
	for left := 20 + s.rng.IntN(300); ; left-- {
		f.Patience = s.a.silence()
		frame, err := f.Next()
		if err != nil {
			return ended(err), err
		}
		s.took(at, frame)
		if left <= 0 && s.a.restless.Load() {
			if s.rng.IntN(2) == 0 {
				f.Reset()
			}
			return streams.EndedByClient, nil
		}
	}
}

// took notes a frame, sometimes looks at once whether its node shows what it
// told, and sometimes dreams instead of reading on.
func (s *subscriber) took(at spot, f streams.Frame) (dreams bool) {
	s.take(f)
	if f.Event != nil && f.Event.Key != "" && s.rng.IntN(8) == 0 {
		s.a.probe(at, f.Event)
	}
	if dreams = s.a.restless.Load() && s.rng.IntN(200) == 0; dreams {
		s.note(func(l *streams.Leg) { l.Slow = true })
		<-time.After(time.Duration(s.rng.IntN(500)) * time.Millisecond)
	}
	return dreams
}
