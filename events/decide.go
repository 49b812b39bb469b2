package events

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/oklog/ulid/v2"
)

// View is the present, as far as the rules need it. Deleted things keep their
// revision and are returned with Deleted set; what never was is returned as the
// zero value.
type View interface {
	// Index is the newest event.
	Index() uint64
	Cluster() Cluster
	Namespace(path string) Namespace
	Entry(namespace, key string) Entry
	// Entries yields the live entries of exactly this namespace in key order.
	Entries(namespace string) iter.Seq[Entry]
	APIKey(id string) APIKey
}

// Command is what somebody asks for. The implementations are in this package,
// by noun; their exported fields are the request.
type Command interface {
	decide(*decision) error
}

// Stamp is what a command needs from the world outside the rules.
type Stamp struct {
	Time          time.Time
	ID            ulid.ULID // of the first event; further ones count up from it
	Actor         string
	CorrelationID string
	Claim         *Claim // set when the request has an idempotency key
}

// Rules judges commands. The zero value has the documented defaults.
type Rules struct {
	MaxValueBytes    int // of one value; 0 means DefaultMaxValueBytes
	MaxProposalBytes int // of all events of one command; 0 means DefaultMaxProposalBytes
}

// DefaultMaxProposalBytes bounds the events of one command: with it one Raft
// entry stays small enough to be sent and synced without upsetting elections.
const DefaultMaxProposalBytes = 16 << 20

func (r Rules) maxValueBytes() int {
	if r.MaxValueBytes > 0 {
		return r.MaxValueBytes
	}
	return DefaultMaxValueBytes
}

func (r Rules) maxProposalBytes() int {
	if r.MaxProposalBytes > 0 {
		return r.MaxProposalBytes
	}
	return DefaultMaxProposalBytes
}

// Decide judges a command against the present. The proposal holds the events to
// record and the guards under which they are true; it has no events when the
// present is already as the command wants it. The error is a refusal, a
// [*LevelError] where the history is at too low a level for the events.
func (r Rules) Decide(view View, c Command, s Stamp) (Proposal, error) {
	d := &decision{rules: r, view: view, guarded: map[Subject]bool{}}
	if err := c.decide(d); err != nil {
		return Proposal{}, err
	}
	p := Proposal{Time: s.Time, Claim: s.Claim, Guards: d.guards}
	total := 0
	level := view.Cluster().FeatureLevel()
	for i, e := range d.events {
		if kind := e.Data.Kind(); catalogue[kind].needs > level {
			return Proposal{}, &LevelError{kind, catalogue[kind].needs, level}
		}
		e.ID = plus(s.ID, uint64(i))
		e.Actor, e.CorrelationID = s.Actor, s.CorrelationID
		if len(d.events) > 1 {
			e.Transaction = s.ID.String()
		}
		body, err := e.Encode()
		if err != nil {
			return Proposal{}, err
		}
		if total += len(body); total > r.maxProposalBytes() || i >= MaxBodies {
			return Proposal{}, refuse(ErrTooLarge, "the change needs more than %d bytes of events; split it", r.maxProposalBytes())
		}
		p.Bodies = append(p.Bodies, body)
	}
	return p, nil
}

// plus counts an identifier up; the order of identifiers is that of events.
func plus(id ulid.ULID, n uint64) ulid.ULID {
	low := binary.BigEndian.Uint64(id[8:])
	binary.BigEndian.PutUint64(id[8:], low+n)
	if low+n < low {
		binary.BigEndian.PutUint64(id[:8], binary.BigEndian.Uint64(id[:8])+1)
	}
	return id
}

// decision collects what a command comes to.
type decision struct {
	rules   Rules
	view    View
	guards  []Guard
	guarded map[Subject]bool
	events  []Event
}

// holds adds a guard, once for each subject.
func (d *decision) holds(s Subject, revision uint64) {
	if !d.guarded[s] {
		d.guarded[s] = true
		d.guards = append(d.guards, Guard{s, revision})
	}
}

func (d *decision) record(namespace, key string, data Data) {
	d.events = append(d.events, Event{Namespace: namespace, Key: key, Data: data})
}
