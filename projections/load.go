package projections

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// Load is the state as of the event index that the source reads at: the views
// hold all that the state holds. The Raft position is that of the last entry
// folded up to there.
func Load(src Source, index uint64, raft Origin) (*State, error) {
	if index == 0 {
		s := Empty()
		s.raftIndex, s.raftTerm = raft.Index, raft.Term
		return s, nil
	}
	last, err := NewHistory(src, index).Record(index)
	if err != nil {
		return nil, fmt.Errorf("load state at %d: %w", index, err)
	}
	s, err := load(src, index)
	if err != nil {
		return nil, err
	}
	s.chain, s.time, s.raftIndex, s.raftTerm = last.Chain, last.Time, raft.Index, raft.Term
	return s, s.loadReceipts(src)
}

// load is what the views that records make say of the state.
func load(src Source, index uint64) (*State, error) {
	s := Empty()
	s.index = index
	for _, load := range []func(Source) error{
		s.loadCluster, s.loadNamespaces, s.loadEntries, s.loadAPIKeys, s.loadPolicies, s.loadDrafts, s.loadRequests, s.loadWebhooks,
	} {
		if err := load(src); err != nil {
			return nil, fmt.Errorf("load state at %d: %w", index, err)
		}
	}
	return s, nil
}

func (s *State) loadCluster(src Source) (err error) {
	if s.cluster, err = get[events.Cluster](src, []byte{clusterView}); err != nil {
		return err
	}
	return s.cluster.Level.Check()
}

func (s *State) loadNamespaces(src Source) error {
	return eachRow(src, namespaceView, func(_ []byte, n *events.Namespace) {
		s.namespaces.Set(n.Path, n)
		if s.begun = max(s.begun, n.Created); n.Deleted {
			s.begun = max(s.begun, n.Revision)
		}
	})
}

func (s *State) loadEntries(src Source) error {
	var in *events.Namespace // entries come grouped by namespace
	return eachRow(src, entryView, func(key []byte, e *events.Entry) {
		if in == nil || in.Path != e.Namespace {
			n := s.Namespace(e.Namespace)
			n.Path = e.Namespace
			in = &n
			s.namespaces.Set(in.Path, in)
		}
		in.Contents = max(in.Contents, e.Revision)
		k := string(key)
		e.Namespace, e.Key = in.Path, k[len(in.Path)+1:]
		s.entries.Set(k, e)
		in.Used = in.Used.Plus(events.Weigh(*e, events.Draft{}))
		if e.Live() {
			s.live++
		}
	})
}

func (s *State) loadAPIKeys(src Source) error {
	return eachRow(src, apiKeyView, func(_ []byte, k *events.APIKey) {
		s.keys.Set(k.ID, k)
		s.digests.Set(k.Digest, k.ID)
	})
}

func (s *State) loadPolicies(src Source) error {
	return eachRow(src, policyView, func(_ []byte, p *events.Policy) {
		s.governance.policies.Set(p.Namespace, p)
		s.governance.changed = max(s.governance.changed, p.Revision)
	})
}

func (s *State) loadDrafts(src Source) error {
	return eachRow(src, draftView, func(_ []byte, d *events.Draft) { s.setDraft(*d) })
}

func (s *State) loadRequests(src Source) error {
	return eachRow(src, requestView, func(_ []byte, r *events.Request) { s.governance.requests.Set(r.ID, r) })
}

func (s *State) loadWebhooks(src Source) error {
	return eachRow(src, webhookView, func(_ []byte, w *events.Webhook) { s.governance.webhooks.Set(w.ID, w) })
}

func (s *State) loadReceipts(src Source) error {
	return eachRow(src, receiptView, func(id []byte, d *receiptDoc) {
		if len(id) == len(events.ReceiptID{}) && len(d.Fingerprint) == len(events.Fingerprint{}) {
			s.receipts.add(events.Receipt{
				ID: events.ReceiptID(id), Fingerprint: events.Fingerprint(d.Fingerprint),
				Index: d.Index, Count: d.Count, Time: time.Unix(0, d.Time).UTC(),
			})
		}
	})
}

// eachRow decodes the rows of a view; the key comes without the view's byte.
func eachRow[T any](src Source, view byte, each func(key []byte, value *T)) error {
	for row, err := range src.Scan([]byte{view}, nil) {
		if err != nil {
			return fmt.Errorf("view %c: %w", view, err)
		}
		v := new(T)
		if err := json.Unmarshal(row.Value, v); err != nil {
			return fmt.Errorf("view %c, row %q: %w", view, row.Key, err)
		}
		each(row.Key[1:], v)
	}
	return nil
}
