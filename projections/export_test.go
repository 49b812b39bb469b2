package projections

import "confman/events"

// Everything is all that a state holds, in plain maps, for tests to compare.
type Everything struct {
	Index      uint64
	Chain      events.Chain
	Time       int64
	Live       int
	Cluster    events.Cluster
	Namespaces map[string]events.Namespace
	Entries    map[string]events.Entry
	Keys       map[string]events.APIKey
	Digests    map[string]string
	Receipts   map[events.ReceiptID]events.Receipt // nil when not asked for
	Aged       int                                 // receipts ordered by age
}

// Everything copies the state, the receipts only where asked for: replaying
// records does not bring them back.
func (s *State) Everything(receipts bool) Everything {
	all := Everything{
		Index: s.index, Chain: s.chain, Live: s.live, Cluster: s.cluster,
		Namespaces: map[string]events.Namespace{}, Entries: map[string]events.Entry{},
		Keys: map[string]events.APIKey{}, Digests: map[string]string{},
	}
	if s.index > 0 {
		all.Time = s.time.UnixNano()
	}
	s.namespaces.Scan(func(k string, n *events.Namespace) bool { all.Namespaces[k] = *n; return true })
	s.entries.Scan(func(k string, e *events.Entry) bool { all.Entries[k] = *e; return true })
	s.keys.Scan(func(k string, key *events.APIKey) bool { all.Keys[k] = *key; return true })
	s.digests.Scan(func(k, id string) bool { all.Digests[k] = id; return true })
	if receipts {
		all.Receipts = map[events.ReceiptID]events.Receipt{}
		s.receipts.byID.Scan(func(_ string, r *events.Receipt) bool { all.Receipts[r.ID] = *r; return true })
		all.Aged = s.receipts.byAge.Len()
	}
	return all
}
