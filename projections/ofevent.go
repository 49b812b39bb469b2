package projections

// OfEvent tells the event that a row belongs to, and goes with when the history
// is trimmed: a record, what was erased in it, what the indexes say of its Raft
// entry. Of all other rows, which say how something stood, it reports false.
func OfEvent(key []byte) (index uint64, ok bool) {
	if len(key) <= 8 {
		return 0, false
	}
	switch key[0] {
	case recordView, erasureView, byNamespace, bySubtree, byActor, byKind, byRequest, byCorrelation, byTransaction:
		return indexOf(key), true
	}
	return 0, false
}
