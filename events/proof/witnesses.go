package proof

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"confman/events"
)

// witnesses compare the chain with whatever states it: checkpoints in the
// history, checkpoints that were kept, positions that were noted.
type witnesses struct {
	report  *Report
	options Options
	chainAt func(index uint64) (events.Chain, bool) // of events that were seen
	claims  []claim                                 // what the caller holds against it, by index
	keys    map[string]ed25519.PublicKey            // by ID
	trusted map[string]bool                         // by ID
	said    map[string]bool                         // keys that were reported
	inForce string                                  // ID; empty: not known
	broken  bool                                    // a re-chaining was reported: the checkpoints after it fail, too
	lineage lineage
}

// claim states the chain at an index.
type claim struct {
	index      uint64
	proof      string // the chain's hex digits, or the first of them
	by         string
	checkpoint *events.Checkpoint // nil: a position
}

func newWitnesses(r *Report, o Options, chainAt func(uint64) (events.Chain, bool)) *witnesses {
	w := &witnesses{
		report: r, options: o, chainAt: chainAt, lineage: lineage{report: r},
		keys: map[string]ed25519.PublicKey{}, trusted: map[string]bool{}, said: map[string]bool{},
	}
	for _, key := range o.Trust {
		id := events.CheckpointKeyID(key)
		w.keys[id], w.trusted[id] = key, true
	}
	for _, p := range o.Positions {
		w.claims = append(w.claims, claim{index: p.Index, proof: p.Proof, by: "the position " + p.String()})
	}
	for _, c := range o.Checkpoints {
		w.claims = append(w.claims, claim{index: c.Index, proof: c.Chain.String(), by: "the checkpoint that was kept", checkpoint: &c})
	}
	slices.SortStableFunc(w.claims, func(a, b claim) int { return cmp.Compare(a.index, b.index) })
	return w
}

// passes compares the claims about an index with the chain there. Indexes rise.
func (w *witnesses) passes(index uint64, chain events.Chain) {
	for len(w.claims) > 0 && w.claims[0].index <= index {
		c := w.claims[0]
		w.claims = w.claims[1:]
		if c.index < index {
			w.report.add(c.index, Uncovered, "%s is about event %d, and what was read begins with %d", c.by, c.index, index+1)
			continue
		}
		if !strings.HasPrefix(chain.String(), c.proof) {
			w.rechained(index, chain, c.proof, c.by)
			continue
		}
		if c.checkpoint != nil && w.genuine(0, *c.checkpoint) {
			w.seal(index)
		}
	}
}

// end reports the claims that nothing was compared with.
func (w *witnesses) end() {
	w.lineage.end(w.options.Cluster)
	for _, c := range w.claims {
		w.report.add(w.report.To+1, CutShort, "%s is about event %d, and the last one there is %d", c.by, c.index, w.report.To)
	}
	if len(w.options.Trust) > 0 && w.report.Checkpoints == 0 && w.report.Records > 0 && len(w.report.Findings) == 0 {
		w.report.add(0, Untrusted, "not one checkpoint by a trusted key covers %s", span(w.report.From, w.report.To))
	}
}

// event takes an event that states something. Indexes rise.
func (w *witnesses) event(index uint64, data events.Data) {
	switch d := data.(type) {
	case events.ClusterFormed:
		w.lineage.begins(index, d.ID)
	case events.ClusterRecovered:
		w.lineage.goesOn(index, d.Previous, d.Cluster)
	case events.ClusterRestored:
		w.lineage.goesOn(index, d.Previous, d.Cluster)
	case events.CheckpointKeyChanged:
		w.keyChanged(index, d)
	case events.HistoryCheckpointed:
		w.checkpoint(index, d.Checkpoint)
	}
}

// keyChanged takes the next key. It is trusted when the caller does, or when one
// that is trusted endorses it; where the caller trusts none, all are. One that the
// key before does not endorse may be there because that was lost.
func (w *witnesses) keyChanged(index uint64, d events.CheckpointKeyChanged) {
	key := ed25519.PublicKey(d.PublicKey)
	if len(key) != ed25519.PublicKeySize || d.KeyID != events.CheckpointKeyID(key) || !ed25519.Verify(key, d.Signed(), d.Signature) {
		w.report.add(index, Altered, "the new checkpoint key %s has not signed its own change", d.KeyID)
		return
	}
	if w.inForce != "" && d.Previous != w.inForce {
		w.report.add(index, Altered, "it replaces the checkpoint key %q, in force is %s", d.Previous, w.inForce)
	}
	before, known := w.keys[d.Previous]
	endorsed := known && ed25519.Verify(before, d.Signed(), d.Endorsement)
	switch {
	case len(w.options.Trust) == 0, w.trusted[d.KeyID], endorsed && w.trusted[d.Previous]:
		w.trusted[d.KeyID] = true
		refused := known || len(d.Endorsement) == 0 // that of a key that is not known may be right
		if d.Previous != "" && !endorsed && refused {
			w.report.warn(index, Unendorsed, "the checkpoint key %s replaces %s, which does not endorse it", d.KeyID, d.Previous)
		}
	default:
		w.said[d.KeyID] = true
		w.report.add(index, Untrusted, "the checkpoint key %s comes into force without the endorsement of one that is trusted", d.KeyID)
	}
	w.keys[d.KeyID], w.inForce = key, d.KeyID
}

// checkpoint compares a checkpoint in the history.
func (w *witnesses) checkpoint(index uint64, c events.Checkpoint) {
	if !w.lineage.says(index, c.Cluster) {
		return
	}
	if w.inForce != "" && c.KeyID != w.inForce {
		w.report.add(index, Altered, "the checkpoint is signed by key %s, in force is %s", c.KeyID, w.inForce)
		return
	}
	genuine := w.genuine(index, c)
	if c.Index+1 < w.report.From {
		return // about what was not read
	}
	chain, seen := w.chainAt(c.Index)
	switch {
	case c.Index >= index || !seen:
		w.report.add(index, Altered, "the checkpoint is about event %d, which does not stand shortly before it", c.Index)
	case chain != c.Chain:
		w.rechained(c.Index, chain, c.Chain.String(), fmt.Sprintf("the checkpoint in event %d, signed by key %s,", index, c.KeyID))
	case genuine:
		w.seal(c.Index)
	}
}

// genuine reports whether a checkpoint is signed by a trusted key. At is the
// event that it stands in; 0: it was kept elsewhere.
func (w *witnesses) genuine(at uint64, c events.Checkpoint) bool {
	if w.inForce == "" && len(w.options.Key) > 0 && c.KeyID == events.CheckpointKeyID(w.options.Key) {
		w.keys[c.KeyID] = w.options.Key
		w.trusted[c.KeyID] = w.trusted[c.KeyID] || len(w.options.Trust) == 0
	}
	key, known := w.keys[c.KeyID]
	where := "the checkpoint"
	if at == 0 {
		where = fmt.Sprintf("the checkpoint of event %d that was kept", c.Index)
	}
	switch {
	case !known && len(w.options.Trust) == 0:
		w.report.Unproven++
		return false
	case known && !c.Verify(key):
		w.report.add(at, Altered, "%s has a signature that is not that of key %s", where, c.KeyID)
		return false
	case !w.trusted[c.KeyID]:
		if !w.said[c.KeyID] {
			w.said[c.KeyID] = true
			w.report.add(at, Untrusted, "%s is signed by key %s, which is not trusted", where, c.KeyID)
		}
		return false
	}
	return true
}

func (w *witnesses) seal(index uint64) {
	w.report.Checkpoints++
	if !w.broken {
		w.report.Sealed = max(w.report.Sealed, index)
	}
}

// rechained reports a chain that is not the one that was stated. What differs
// lies after what is known to be right.
func (w *witnesses) rechained(index uint64, chain events.Chain, proof, by string) {
	if w.broken {
		return
	}
	w.broken = true
	from := max(w.report.Sealed+1, w.report.From)
	w.report.add(min(from, index), Rechained, "%s were written anew: the chain at event %d is %s, %s says %s",
		span(min(from, index), index), index, chain.String()[:len(proof)], by, proof)
}
