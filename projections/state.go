package projections

import (
	"iter"
	"time"

	"github.com/tidwall/btree"

	"confman/events"
)

// State is the present after some event. It is immutable once published; all
// methods that are exported only read and are safe for concurrent use.
type State struct {
	index     uint64
	chain     events.Chain
	time      time.Time // of the last record; never goes back
	raftIndex uint64    // the last Raft entry folded, also when it brought no event
	raftTerm  uint64

	cluster    events.Cluster
	namespaces *btree.Map[string, *events.Namespace]
	begun      uint64                            // last event that began or ended a namespace
	entries    *btree.Map[string, *events.Entry] // by entryKey; deleted ones keep their version
	live       int                               // entries that are not deleted
	keys       *btree.Map[string, *events.APIKey]
	digests    *btree.Map[string, string] // digest → ID of the API key
	governance governance
	receipts   receipts
}

// Empty is the state before the first event.
func Empty() *State {
	return &State{
		namespaces: new(btree.Map[string, *events.Namespace]),
		entries:    new(btree.Map[string, *events.Entry]),
		keys:       new(btree.Map[string, *events.APIKey]),
		digests:    new(btree.Map[string, string]),
		governance: newGovernance(),
		receipts:   newReceipts(),
	}
}

// next is a copy to fold into. It shares all trees until they are written to.
// Only the one goroutine that folds may call it.
func (s *State) next() *State {
	n := *s
	n.namespaces = s.namespaces.Copy()
	n.entries = s.entries.Copy()
	n.keys = s.keys.Copy()
	n.digests = s.digests.Copy()
	n.governance = s.governance.copy()
	n.receipts = s.receipts.copy()
	return &n
}

// Index is the last event folded.
func (s *State) Index() uint64 { return s.index }

// Chain is the hash chain at Index.
func (s *State) Chain() events.Chain { return s.chain }

// Position is where the state stands.
func (s *State) Position() events.Position { return s.chain.At(s.index) }

// Time is that of the last event.
func (s *State) Time() time.Time { return s.time }

// RaftIndex is the last Raft entry folded.
func (s *State) RaftIndex() uint64 { return s.raftIndex }

// RaftTerm is the term of the last Raft entry folded.
func (s *State) RaftTerm() uint64 { return s.raftTerm }

// Cluster is what the history says about the cluster.
func (s *State) Cluster() events.Cluster { return s.cluster }

// Oldest is the first event of the history that is served, 1 before any trim.
func (s *State) Oldest() uint64 { return s.cluster.Horizon.First() }

// Edge is the position before Oldest, the oldest one to resume from. Its index
// is 0 before any trim.
func (s *State) Edge() events.Position { return s.cluster.Horizon.Edge() }

// Len is how many live entries there are in all namespaces.
func (s *State) Len() int { return s.live }

// Namespace returns a namespace, live or deleted, or the zero value.
func (s *State) Namespace(path string) events.Namespace {
	if n, ok := s.namespaces.Get(path); ok {
		return *n
	}
	return events.Namespace{}
}

// Namespaces yields the live namespaces after a path, in path order.
func (s *State) Namespaces(after string) iter.Seq[events.Namespace] {
	return func(yield func(events.Namespace) bool) {
		s.namespaces.Ascend(after, func(path string, n *events.Namespace) bool {
			return path == after || !n.Live() || yield(*n)
		})
	}
}

// NamespacesWithin yields the live namespaces of a subtree, [events.Root] for all,
// by path.
func (s *State) NamespacesWithin(subtree string) iter.Seq[events.Namespace] {
	return func(yield func(events.Namespace) bool) {
		if subtree == events.Root {
			s.Namespaces("")(yield)
			return
		}
		if n := s.Namespace(subtree); n.Live() && !yield(n) {
			return
		}
		// Between a namespace and those below it others sort, such as a-b
		// between a and a/b.
		s.namespaces.Ascend(subtree+"/", func(path string, n *events.Namespace) bool {
			return events.Within(path, subtree) && (!n.Live() || yield(*n))
		})
	}
}

// NamespacesRevision is the index of the last event that began or ended a
// namespace.
func (s *State) NamespacesRevision() uint64 { return s.begun }

// Usage is what a namespace and those below it hold.
func (s *State) Usage(subtree string) (sum events.Usage) {
	for n := range s.NamespacesWithin(subtree) {
		sum.Keys += n.Used.Keys
		sum.Bytes += n.Used.Bytes
	}
	return sum
}

// Entry returns an entry, live or deleted, or the zero value.
func (s *State) Entry(namespace, key string) events.Entry {
	if e, ok := s.entries.Get(entryKey(namespace, key)); ok {
		return *e
	}
	return events.Entry{}
}

// Entries yields the live entries of exactly this namespace in key order.
func (s *State) Entries(namespace string) iter.Seq[events.Entry] {
	return s.EntriesAfter(namespace, "")
}

// EntriesAfter yields the live entries of exactly this namespace whose keys are
// greater than after, in key order.
func (s *State) EntriesAfter(namespace, after string) iter.Seq[events.Entry] {
	return func(yield func(events.Entry) bool) {
		from := entryKey(namespace, after)
		s.entries.Ascend(from, func(k string, e *events.Entry) bool {
			if e.Namespace != namespace {
				return false
			}
			return k == from || !e.Live() || yield(*e)
		})
	}
}

// AllEntries yields the live entries of all namespaces after an entry, ordered
// by namespace, then key.
func (s *State) AllEntries(namespace, key string) iter.Seq[events.Entry] {
	return func(yield func(events.Entry) bool) {
		from := entryKey(namespace, key)
		s.entries.Ascend(from, func(k string, e *events.Entry) bool {
			return k == from || !e.Live() || yield(*e)
		})
	}
}

// APIKey returns an API key, revoked ones too, or the zero value.
func (s *State) APIKey(id string) events.APIKey {
	if k, ok := s.keys.Get(id); ok {
		return *k
	}
	return events.APIKey{}
}

// APIKeys yields all API keys after an ID, in the order of their IDs.
func (s *State) APIKeys(after string) iter.Seq[events.APIKey] {
	return func(yield func(events.APIKey) bool) {
		s.keys.Ascend(after, func(id string, k *events.APIKey) bool {
			return id == after || yield(*k)
		})
	}
}

// APIKeyByDigest returns the API key with this digest, revoked ones too.
func (s *State) APIKeyByDigest(digest string) (events.APIKey, bool) {
	id, ok := s.digests.Get(digest)
	return s.APIKey(id), ok
}

// Receipt returns the receipt of a request that was done.
func (s *State) Receipt(id events.ReceiptID) (events.Receipt, bool) { return s.receipts.get(id) }

// revision is what a guard is compared with.
func (s *State) revision(of events.Subject) uint64 {
	switch of.Noun {
	case events.TheNamespace:
		return s.Namespace(of.Namespace).Revision
	case events.TheContents:
		return s.Namespace(of.Namespace).Contents
	case events.TheEntry:
		return s.Entry(of.Namespace, of.Name).Revision
	case events.TheAPIKey:
		return s.APIKey(of.Name).Revision
	case events.TheCluster:
		return s.cluster.Revision
	case events.TheNamespaces:
		return s.begun
	}
	return s.governance.revision(of)
}

// unknownRevision is that of a noun this release does not know: no guard on it
// ever holds.
const unknownRevision = ^uint64(0)

// entryKey orders entries by namespace, then key: no namespace contains a NUL.
func entryKey(namespace, key string) string { return namespace + "\x00" + key }
