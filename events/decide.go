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
	// NamespacesWithin yields the live namespaces of a subtree, by path.
	NamespacesWithin(subtree string) iter.Seq[Namespace]
	// NamespacesRevision is the index of the last event that began or ended any
	// namespace.
	NamespacesRevision() uint64

	APIKey(id string) APIKey
	// APIKeys yields all API keys after an ID, in the order of their IDs.
	APIKeys(after string) iter.Seq[APIKey]

	PolicyView
	RoleBook
	// PoliciesRevision is the index of the last event about any policy.
	PoliciesRevision() uint64
	// Usage is what a namespace and those below it hold.
	Usage(subtree string) Usage

	Draft(namespace, key string) Draft
	// Drafts yields the drafts of exactly this namespace in key order.
	Drafts(namespace string) iter.Seq[Draft]
	// Request is an open publish request.
	Request(id string) Request
	// Requests yields the open publish requests after an ID, by ID.
	Requests(after string) iter.Seq[Request]
	Webhook(id string) Webhook
}

// Command is what somebody asks for. The implementations are in this package,
// by noun; their exported fields are the request.
type Command interface {
	decide(*decision) error
}

// Stamp is what a command needs from the world outside the rules.
type Stamp struct {
	// Time is the proposer's. Rules read it only to decide, never when the
	// decision is committed: for freezes, for what is published at a time, and
	// for the expiry of API keys.
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
	d := r.begin(view, s)
	if err := c.decide(d); err != nil {
		return Proposal{}, err
	}
	if err := d.oversee(); err != nil {
		return Proposal{}, err
	}
	return d.proposal()
}

func (r Rules) begin(view View, s Stamp) *decision {
	return &decision{rules: r, view: view, stamp: s, guarded: map[Subject]bool{}, ensured: map[string]bool{}}
}

// proposal is what the decision comes to, if it is not too much for one.
func (d *decision) proposal() (Proposal, error) {
	r, s := d.rules, d.stamp
	p := Proposal{Time: s.Time, Claim: s.Claim, Guards: d.guards}
	if len(d.guards) > MaxGuards {
		return Proposal{}, refuse(ErrTooLarge, "the change depends on %d other things, at most %d are allowed; split it", len(d.guards), MaxGuards)
	}
	total := 0
	for _, g := range d.guards {
		total += len(g.Subject.Namespace) + len(g.Subject.Name)
	}
	level := d.view.Cluster().FeatureLevel()
	for i, e := range d.events {
		if needs := catalogue.needs(e.Data); needs > level {
			return Proposal{}, &LevelError{e.Data.Kind(), needs, level}
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
			return Proposal{}, refuse(ErrTooLarge, "the change and what it depends on need more than %d bytes; split it", r.maxProposalBytes())
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
	stamp   Stamp
	guards  []Guard
	guarded map[Subject]bool
	events  []Event

	ensured  map[string]bool // namespaces that exist after it
	mandate  mandate
	request  string // the publish request that the events are of
	overseen int    // how many of the events oversee has seen
	ends     string // the namespace that the decision ends, with its policy
}

// holds adds a guard, once for each subject.
func (d *decision) holds(s Subject, revision uint64) {
	if !d.guarded[s] {
		d.guarded[s] = true
		d.guards = append(d.guards, Guard{s, revision})
	}
}

func (d *decision) record(namespace, key string, data Data) {
	d.events = append(d.events, Event{Namespace: namespace, Key: key, Data: data, Request: d.request})
}
