package projections

import (
	"fmt"

	"confman/events"
)

// Origin is the Raft entry that a proposal came with.
type Origin struct {
	Index uint64
	Term  uint64
}

// Folding folds Raft entries, in order, into the state after them. It collects
// what they brought; the one goroutine that folds then makes the rows durable,
// the state visible and the records known, in that order.
type Folding struct {
	state   *State
	Records []events.Record
	Rows    []Row
}

// Begin starts to fold on top of a state, which stays as it is.
func Begin(on *State) *Folding { return &Folding{state: on.next()} }

// State is the state after all that was folded.
func (f *Folding) State() *State { return f.state }

// Result is how one proposal ended: an outcome, or an error that is
// [events.ErrStale].
type Result struct {
	events.Outcome
	Err error
}

// Entry folds one Raft entry. An error means that this release cannot follow
// the history: the node must stop.
func (f *Folding) Entry(from Origin, batch []events.Proposal) ([]Result, error) {
	if from.Index <= f.state.raftIndex {
		return nil, fmt.Errorf("raft entry %d: already folded up to %d", from.Index, f.state.raftIndex)
	}
	first := len(f.Records)
	results := make([]Result, len(batch))
	for i, p := range batch {
		decoded, err := decode(p)
		if err != nil {
			return nil, fmt.Errorf("raft entry %d: %w", from.Index, err)
		}
		if stale := f.state.check(p); stale != nil {
			results[i].Err = stale
			continue
		}
		if err := f.commit(from, p, decoded); err != nil {
			return nil, fmt.Errorf("raft entry %d: %w", from.Index, err)
		}
		results[i].Outcome = events.Outcome{Index: f.state.index, Chain: f.state.chain, Count: len(p.Bodies)}
	}
	f.Rows = appendPostings(f.Rows, f.Records[first:])
	f.state.raftIndex, f.state.raftTerm = from.Index, from.Term
	return results, nil
}

// Skip notes a Raft entry that brings no proposals.
func (f *Folding) Skip(entry Origin) {
	f.state.raftIndex, f.state.raftTerm = max(f.state.raftIndex, entry.Index), entry.Term
}

func decode(p events.Proposal) ([]events.Event, error) {
	decoded := make([]events.Event, len(p.Bodies))
	for i, body := range p.Bodies {
		e, err := events.DecodeEvent(body)
		if err != nil {
			return nil, err
		}
		decoded[i] = e
	}
	return decoded, nil
}

// check compares a proposal's guards with the state.
func (s *State) check(p events.Proposal) error {
	if p.Claim != nil {
		if _, done := s.receipts.get(p.Claim.ID); done {
			return fmt.Errorf("request %s is done already: %w", p.Claim.ID, events.ErrStale)
		}
	}
	for _, g := range p.Guards {
		if now := s.revision(g.Subject); now != g.Revision {
			return fmt.Errorf("%s %s at revision %d, want %d: %w",
				g.Subject.Namespace, g.Subject.Name, now, g.Revision, events.ErrStale)
		}
	}
	return nil
}

// recordRoom is enough for the header of a stored record.
const recordRoom = 32

// commit gives the proposal's events their places in the history and applies
// them.
func (f *Folding) commit(from Origin, p events.Proposal, decoded []events.Event) error {
	s := f.state
	now := s.time
	if p.Time.After(now) {
		now = p.Time
	}
	for i, e := range decoded {
		r := events.Record{
			Index: s.index + 1, Time: now, RaftTerm: from.Term, RaftIndex: from.Index,
			More: i < len(decoded)-1, Body: p.Bodies[i],
		}.WithEvent(e)
		stored := r.AppendStored(make([]byte, len(s.chain), len(s.chain)+recordRoom+len(r.Body)))
		r.Chain = s.chain.Next(stored[len(s.chain):])
		if err := f.add(r, e, stored); err != nil {
			return err
		}
	}
	if p.Claim != nil {
		receipt := events.Receipt{ID: p.Claim.ID, Fingerprint: p.Claim.Fingerprint, Index: s.index, Count: len(decoded), Time: now}
		s.receipts.add(receipt)
		f.Rows = append(f.Rows, receiptRow(receipt))
	}
	// By the time of the records, not by now: only an event moves that on, so
	// no row ends at an index that a marker may already stand at, and a replay
	// from the marker judges by the same receipts.
	for _, id := range s.receipts.expire(s.time.UnixNano()) {
		f.Rows = append(f.Rows, Row{Key: receiptKey(id), Index: s.index, Delete: true})
	}
	return nil
}

// add applies a record whose chain is known and collects its rows. stored has
// room for the chain in front.
func (f *Folding) add(r events.Record, e events.Event, stored []byte) error {
	copy(stored, r.Chain[:])
	touched, err := f.state.apply(r)
	if err != nil {
		return err
	}
	f.Records = append(f.Records, r)
	f.Rows = append(f.Rows, Row{Key: recordKey(r.Index), Value: stored, Index: r.Index})
	f.Rows = f.state.appendViewRows(f.Rows, e, r.Index, touched)
	return nil
}

// Replay folds the records of one Raft entry again, to rebuild the rows. It
// fails when they are not what the chain says. Receipts are not replayed: they
// are not in the records.
func (f *Folding) Replay(entry []events.Record) error {
	first := len(f.Records)
	for _, r := range entry {
		e, err := r.Event()
		if err != nil {
			return err
		}
		stored := r.AppendStored(make([]byte, len(r.Chain), len(r.Chain)+recordRoom+len(r.Body)))
		if !r.Erased && f.state.chain.Next(stored[len(r.Chain):]) != r.Chain {
			return fmt.Errorf("event %d is not what the chain says", r.Index)
		}
		if err := f.add(r.WithEvent(e), e, stored); err != nil {
			return err
		}
		f.state.raftIndex, f.state.raftTerm = r.RaftIndex, r.RaftTerm
	}
	f.Rows = appendPostings(f.Rows, f.Records[first:])
	return nil
}

// Apply folds one record of the history on top of a state, which stays as it
// is. It serves whoever folds records rather than Raft entries: rebuilding,
// verifying, tests.
func (s *State) Apply(r events.Record) (*State, error) {
	n := s.next()
	_, err := n.apply(r)
	return n, err
}

// touched is what an event changed besides what it is about.
type touched struct {
	drafts []events.Draft  // as they were; they may be gone
	closed *events.Request // is not part of the present any more
}

// apply folds one record in place. It cannot refuse: its error means that the
// record is not readable or not the next one.
func (s *State) apply(r events.Record) (touched, error) {
	if r.Index != s.index+1 {
		return touched{}, fmt.Errorf("record %d does not follow %d", r.Index, s.index)
	}
	e, err := r.Event()
	if err != nil {
		return touched{}, err
	}
	t, err := s.fold(r, e)
	if err != nil {
		return t, err
	}
	s.index, s.chain, s.time = r.Index, r.Chain, r.Time
	return t, nil
}

// fold changes what the event is about.
func (s *State) fold(r events.Record, e events.Event) (t touched, err error) {
	switch d := e.Data.(type) {
	case events.ClusterFormed:
		s.cluster = events.Cluster{ID: d.ID, FormedAt: r.Time, Revision: r.Index}
	case events.ClusterUpgraded:
		s.cluster.Level, s.cluster.Revision = d.Level, r.Index
		return t, d.Level.Check()
	case events.ClusterRecovered:
		s.cluster = s.cluster.GoesOn(d.Cluster, r.Index)
	case events.ClusterRestored:
		s.cluster = s.cluster.GoesOn(d.Cluster, r.Index)
	case events.HistoryTrimmed:
		s.cluster.Horizon, s.cluster.Revision = d.Horizon, r.Index
	case events.CheckpointKeyChanged:
		s.cluster.CheckpointKey, s.cluster.Revision = d.PublicKey, r.Index
	case events.HistoryErased:
		s.cluster.Erased, s.cluster.Revision = r.Index, r.Index
	case events.HistoryCheckpointed: // the present is as it was
	case events.NamespaceCreated:
		s.begun = r.Index
		s.setNamespace(e.Namespace, func(n *events.Namespace) {
			*n = events.Namespace{Path: n.Path, Contents: n.Contents, Used: n.Used, CreatedAt: r.Time, CreatedBy: e.Actor, Created: r.Index}
			describe(n, d.NamespaceProperties, r)
		})
	case events.NamespaceUpdated:
		s.setNamespace(e.Namespace, func(n *events.Namespace) { describe(n, d.NamespaceProperties, r) })
	case events.NamespaceDeleted:
		s.begun = r.Index
		s.setNamespace(e.Namespace, func(n *events.Namespace) { n.UpdatedAt, n.Revision, n.Deleted = r.Time, r.Index, true })
		return s.endNamespace(r, e.Namespace), nil
	case events.ConfigCreated, events.ConfigUpdated, events.ConfigRolledBack, events.ConfigDeleted:
		s.foldEntry(r, e)
	case events.KeyCreated:
		s.keys.Set(d.ID, &events.APIKey{
			ID: d.ID, Name: d.Name, Principal: d.Principal, Grants: d.Grants, Digest: d.Digest, ExpiresAt: d.ExpiresAt,
			Roles: d.Roles, CreatedAt: r.Time, CreatedBy: e.Actor, Revision: r.Index,
		})
		s.digests.Set(d.Digest, d.ID)
	case events.KeyRevoked:
		k := s.APIKey(d.ID)
		k.RevokedAt, k.RevokedBy, k.Revision = r.Time, e.Actor, r.Index
		s.keys.Set(d.ID, &k)
	default:
		return s.foldGovernance(r, e)
	}
	return t, nil
}

// foldEntry gives an entry its next version.
func (s *State) foldEntry(r events.Record, e events.Event) {
	was := s.Entry(e.Namespace, e.Key)
	switch d := e.Data.(type) {
	case events.ConfigCreated:
		s.setEntry(r, e, events.Entry{
			Value: d.Value, Description: d.Description, Tags: d.Tags, Comment: d.Comment, Version: d.Version,
			CreatedAt: r.Time, CreatedBy: e.Actor, Created: r.Index,
		})
	case events.ConfigUpdated:
		was.Value, was.Description, was.Tags, was.Comment, was.Version = d.Value, d.Description, d.Tags, d.Comment, d.Version
		s.setEntry(r, e, was)
	case events.ConfigRolledBack:
		if !was.Live() {
			was = events.Entry{CreatedAt: r.Time, CreatedBy: e.Actor, Created: r.Index}
		}
		was.Value, was.Description, was.Tags, was.Comment, was.Version = d.Value, d.Description, d.Tags, d.Comment, d.Version
		s.setEntry(r, e, was)
	case events.ConfigDeleted:
		s.setEntry(r, e, events.Entry{
			Comment: d.Comment, Version: d.Version, Deleted: true,
			CreatedAt: was.CreatedAt, CreatedBy: was.CreatedBy, Created: was.Created,
		})
	}
}

func describe(n *events.Namespace, p events.NamespaceProperties, r events.Record) {
	n.Description, n.Owner, n.UpdatedAt, n.Revision = p.Description, p.Owner, r.Time, r.Index
}

// setNamespace replaces a namespace by a changed copy.
func (s *State) setNamespace(path string, change func(*events.Namespace)) {
	n := s.Namespace(path)
	n.Path = path
	change(&n)
	s.namespaces.Set(path, &n)
}

// setEntry replaces an entry and notes that its namespace's contents changed.
func (s *State) setEntry(r events.Record, e events.Event, entry events.Entry) {
	n := s.Namespace(e.Namespace)
	if n.Path == "" {
		n.Path = e.Namespace
	}
	n.Contents = r.Index
	key := entryKey(n.Path, e.Key)
	entry.Namespace, entry.Key = n.Path, key[len(n.Path)+1:] // both shared with the trees' keys
	entry.UpdatedAt, entry.UpdatedBy, entry.Revision = r.Time, e.Actor, r.Index
	was, _ := s.entries.Set(key, &entry)
	if was == nil {
		was = &events.Entry{}
	}
	if was.Live() {
		s.live--
	}
	if entry.Live() {
		s.live++
	}
	var draft events.Draft
	if d, ok := s.governance.drafts.Get(key); ok {
		draft = *d
	}
	n.Used = n.Used.Plus(events.Weigh(entry, draft)).Minus(events.Weigh(*was, draft))
	s.namespaces.Set(n.Path, &n)
}
