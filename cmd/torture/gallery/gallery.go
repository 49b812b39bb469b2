package gallery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// Silence is how long a restless subscriber stays with a connection that brings
// nothing.
const Silence = 3 * time.Second

// Spot is where a connection goes.
type Spot struct {
	Node    string
	Address string
	Proxied bool
	Place   any // the caller's own
}

// Config says where subscribers go, and who is told of what they hear. Its
// functions are called by many goroutines at once.
type Config struct {
	Spot func(*rand.Rand) Spot
	// Dial opens connections; nil: from here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Heard is called now and then right after an event about a key has come from
	// a spot, before the next frame is read. Nil: nobody listens.
	Heard func(Spot, *wire.Event)
}

// Gallery is what its subscribers have in common.
type Gallery struct {
	config Config
	// Restless subscribers end their connections at random and give up silent
	// ones.
	Restless atomic.Bool
}

// New makes a restless gallery without subscribers.
func New(config Config) *Gallery {
	g := &Gallery{config: config}
	g.Restless.Store(true)
	return g
}

// Seat is who subscribes, and to what.
type Seat struct {
	Name     string
	Key      string // API key
	Encoding string // of wire's
	After    string // a position, or one of the wire.After constants
	Filter   streams.Filter
	RNG      *rand.Rand    // of its goroutine
	Pace     time.Duration // least time from one frame to the next, of a slow reader; 0: none
}

// Subscriber is somebody who does not watch yet. Run it, or have a party of it.
func (g *Gallery) Subscriber(seat Seat) *Subscriber {
	return &Subscriber{g: g, Seat: seat, asks: seat.After}
}

// rest is the pause before a subscriber connects again.
func (g *Gallery) rest(ctx context.Context, rng *rand.Rand) {
	select {
	case <-time.After(time.Duration(5+rng.IntN(50)) * time.Millisecond):
	case <-ctx.Done():
	}
}

// silence is how long a subscriber waits for the next frame, 0 for ever.
func (g *Gallery) silence() time.Duration {
	if g.Restless.Load() {
		return Silence
	}
	return 0
}

// ended is who ended a connection that reading failed on.
func ended(err error) streams.End {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return streams.EndedByClient // it was silent for too long
	}
	return streams.EndedByServer
}

// String is the seat in a line.
func (s Seat) String() string {
	return fmt.Sprintf("%s %s %s after=%s", s.Name, s.Encoding, s.Filter.Query().Encode(), s.After)
}
