package gallery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// party is subscribers that share WebSockets.
type party struct {
	g       *Gallery
	rng     *rand.Rand
	members []*Subscriber

	socket  *streams.Socket
	at      Spot
	opened  int
	ids     map[string]*Subscriber // of the watches that are open or asked for
	leaving map[string]bool        // those that the client has ended
	slow    bool                   // it did not always read
	dialled time.Time
}

// RunTogether keeps the watches of subscribers up, on WebSockets that they share,
// until the context ends. They have one API key.
func (g *Gallery) RunTogether(ctx context.Context, rng *rand.Rand, members ...*Subscriber) {
	p := &party{g: g, rng: rng, members: members}
	for ctx.Err() == nil {
		p.at, p.ids, p.leaving, p.slow = g.config.Spot(rng), map[string]*Subscriber{}, map[string]bool{}, false
		for _, s := range p.members {
			s.begin(p.at)
		}
		p.dialled = time.Now()
		end, err := p.connect(ctx)
		if ctx.Err() != nil {
			end = streams.EndedByClient
		}
		for _, s := range p.members {
			s.note(func(l *streams.Leg) { l.Slow = p.slow })
			if s.legs[len(s.legs)-1].End == streams.EndedStill {
				s.end(end, err)
			}
		}
		g.rest(ctx, rng)
	}
}

// id makes a new name for a watch of a member.
func (p *party) id(s *Subscriber) string {
	p.opened++
	id := fmt.Sprintf("w%d", p.opened)
	p.ids[id] = s
	return id
}

// connect is one connection, from dialling to its end. The first member may
// watch by the query.
func (p *party) connect(ctx context.Context) (streams.End, error) {
	call := streams.Call{Address: p.at.Address, Key: p.members[0].Key, Dial: p.g.config.Dial}
	first, byOp := "", p.members
	if p.rng.IntN(2) == 0 {
		s := p.members[0]
		first, byOp = p.id(s), p.members[1:]
		call.Filter, call.After = s.Filter, s.asks
	}
	socket, status, problem, err := streams.DialSocket(ctx, call, first)
	if first != "" {
		p.members[0].note(func(l *streams.Leg) { l.Status, l.Problem = status, problem })
	}
	if err != nil || status != http.StatusSwitchingProtocols {
		return streams.EndedRefused, err
	}
	defer socket.Close()
	p.socket = socket
	for _, s := range byOp {
		if p.open(ctx, s) != nil {
			break // what there is to read says why
		}
	}
	return p.read(ctx)
}

// open asks for a member's watch on the present connection.
func (p *party) open(ctx context.Context, s *Subscriber) error {
	s.note(func(l *streams.Leg) { l.Status = http.StatusSwitchingProtocols })
	return p.socket.Send(ctx, s.Filter.Op(p.id(s), s.asks))
}

func (p *party) read(ctx context.Context) (streams.End, error) {
	for left := 50 + p.rng.IntN(600); ; left-- {
		f, err := p.next(ctx)
		if err != nil {
			return ended(err), err
		}
		if err := p.took(ctx, f); err != nil {
			return streams.EndedByServer, err
		}
		if !p.g.Restless.Load() {
			continue
		}
		if left <= 0 {
			if p.rng.IntN(2) == 0 {
				p.socket.Reset()
			}
			return streams.EndedByClient, nil
		}
		if p.rng.IntN(100) == 0 {
			p.leave(ctx)
		}
	}
}

func (p *party) next(ctx context.Context) (streams.Frame, error) {
	if silence := p.g.silence(); silence > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, silence)
		defer cancel()
	}
	return p.socket.Next(ctx)
}

// leave ends a watch of which frames may be on their way.
func (p *party) leave(ctx context.Context) {
	for id := range p.ids {
		if !p.leaving[id] {
			p.leaving[id] = true
			_ = p.socket.Send(ctx, wire.WatchOp{Op: wire.OpUnwatch, ID: id}) // what there is to read says why not
			return
		}
	}
}

// took gives a frame to whom it is for. A watch that ends is opened anew.
func (p *party) took(ctx context.Context, f streams.Frame) error {
	if f.Watch == "" {
		for _, s := range p.members {
			s.take(f)
		}
		return nil
	}
	s := p.ids[f.Watch]
	if s == nil {
		if p.leaving[f.Watch] && f.Reason == wire.ReasonInvalid { // it had ended when the client ended it
			return nil
		}
		return fmt.Errorf("%w: %s of the watch %q, which is over", streams.ErrMalformed, f, f.Watch)
	}
	if s.took(ctx, p.at, f) {
		p.slow = true
	}
	if f.Frame.Frame != wire.FrameReset {
		return nil
	}
	end := streams.EndedByServer
	if p.leaving[f.Watch] {
		end = streams.EndedByClient
	}
	s.end(end, nil)
	delete(p.ids, f.Watch)
	if f.Reason == wire.ReasonStuck { // which ends the connection
		return nil
	}
	<-time.After(time.Duration(p.rng.IntN(20)) * time.Millisecond)
	s.begin(p.at)
	s.note(func(l *streams.Leg) { l.Began = p.dialled }) // faults of the connection reach it
	_ = p.open(ctx, s)                                   // as above
	return nil
}
