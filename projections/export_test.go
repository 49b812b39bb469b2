package projections

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/tidwall/btree"

	"confman/events"
)

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
	Began      uint64                              // NamespacesRevision
	Policies   map[string]string                   // as JSON, as are the next three
	Drafts     map[string]string
	Requests   map[string]string
	Webhooks   map[string]string
	Changed    uint64 // PoliciesRevision
}

// Everything copies the state, the receipts only where asked for: replaying
// records does not bring them back.
func (s *State) Everything(receipts bool) Everything {
	all := Everything{
		Index: s.index, Chain: s.chain, Live: s.live, Cluster: s.cluster,
		Namespaces: map[string]events.Namespace{}, Entries: map[string]events.Entry{},
		Keys: map[string]events.APIKey{}, Digests: map[string]string{}, Began: s.begun,
		Policies: documents(s.governance.policies), Drafts: documents(s.governance.drafts),
		Requests: documents(s.governance.requests), Webhooks: documents(s.governance.webhooks), Changed: s.governance.changed,
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
		s.receipts.byID.Scan(func(r receipt) bool { all.Receipts[r.id] = r.public(); return true })
		all.Aged = s.receipts.byAge.Len()
	}
	return all
}

// documents are the values of a tree as JSON: schemas are compiled or not, and
// are the same all the same.
func documents[T any](tree *btree.Map[string, *T]) map[string]string {
	all := map[string]string{}
	tree.Scan(func(k string, v *T) bool {
		encoded, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprint(k, err))
		}
		all[k] = string(encoded)
		return true
	})
	return all
}
