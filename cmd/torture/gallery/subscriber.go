package gallery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"confman/cmd/torture/streams"
)

// Subscriber is one watch that is kept up through all faults, on whichever node,
// and remembers all that it was told.
type Subscriber struct {
	Seat

	g    *Gallery
	asks string // a position, or one of the wire.After constants
	byID bool   // what it asks for was an id

	mu     sync.Mutex // guards the fields below
	legs   []streams.Leg
	events []uint64 // indexes, as they came
}

// begin notes a new connection.
func (s *Subscriber) begin(at Spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legs = append(s.legs, streams.Leg{
		Node: at.Node, Proxied: at.Proxied, Asked: s.asks, ByID: s.byID, Began: time.Now(), End: streams.EndedStill, Slow: s.Pace > 0,
	})
}

// note changes what is known of the present connection.
func (s *Subscriber) note(change func(*streams.Leg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.legs[len(s.legs)-1])
}

// take notes a frame of the present connection.
func (s *Subscriber) take(f streams.Frame) {
	s.note(func(l *streams.Leg) { l.Frames = append(l.Frames, f) })
	if f.Event != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, f.Event.Index)
	}
}

// end notes how the present connection ended, and what to ask for on the next.
func (s *Subscriber) end(end streams.End, err error) {
	s.note(func(l *streams.Leg) {
		l.End, l.Err, l.Ended = end, err, time.Now()
		if errors.Is(err, streams.ErrMalformed) {
			l.End = streams.EndedBroken
		}
		s.asks = l.Next()
	})
}

// Has reports whether an event has come on the connection of this number, and
// whether there is another by now.
func (s *Subscriber) Has(event uint64, number int) (come, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.events[max(0, len(s.events)-200):], event), len(s.legs) != number
}

// Stands is up to which index everything has come, on how many connections, and
// the last of them.
func (s *Subscriber) Stands() (index uint64, legs int, last streams.Leg) {
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

// Stream is what there is to be checked, once the subscriber has ended.
func (s *Subscriber) Stream() streams.Stream {
	return streams.Stream{Name: s.String(), Encoding: s.Encoding, Filter: s.Filter, Legs: s.legs}
}

// Run keeps a watch by SSE or NDJSON up until the context ends.
func (s *Subscriber) Run(ctx context.Context) {
	for ctx.Err() == nil {
		s.Once(ctx)
		s.g.rest(ctx, s.RNG)
	}
}

// Once is one connection, from dialling to its end.
func (s *Subscriber) Once(ctx context.Context) {
	at := s.g.config.Spot(s.RNG)
	s.begin(at)
	f, err := streams.Dial(ctx, streams.Call{
		Address: at.Address, Key: s.Key, Encoding: s.Encoding, Filter: s.Filter, After: s.asks, ByID: s.byID, Dial: s.g.config.Dial,
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
	end, err := s.read(ctx, at, f)
	switch {
	case ctx.Err() != nil:
		end = streams.EndedByClient
	case end == streams.EndedByServer && s.Pace > 0:
		end = streams.EndedByStall
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
func (s *Subscriber) read(ctx context.Context, at Spot, f *streams.Feed) (streams.End, error) {
	for left := 20 + s.RNG.IntN(300); ; left-- {
		f.Patience = s.g.silence()
		frame, err := f.Next()
		if err != nil {
			return ended(err), err
		}
		s.took(ctx, at, frame)
		if left <= 0 && s.g.Restless.Load() {
			if s.RNG.IntN(2) == 0 {
				f.Reset()
			}
			return streams.EndedByClient, nil
		}
	}
}

// took notes a frame, sometimes has somebody look at once whether its node shows
// what it told, and sometimes dreams instead of reading on.
func (s *Subscriber) took(ctx context.Context, at Spot, f streams.Frame) (dreams bool) {
	s.take(f)
	if s.g.config.Heard != nil && f.Event != nil && f.Event.Key != "" && s.RNG.IntN(8) == 0 {
		s.g.config.Heard(at, f.Event)
	}
	restless, pause := s.g.Restless.Load(), s.Pace
	if dreams = restless && s.RNG.IntN(200) == 0; dreams {
		s.note(func(l *streams.Leg) { l.Slow = true })
		pause = time.Duration(s.RNG.IntN(500)) * time.Millisecond
	}
	if restless && pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return dreams
}
