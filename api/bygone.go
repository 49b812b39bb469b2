package api

import (
	"iter"
	"time"

	"confman/events"
	"confman/projections"
)

// bygone is the state as of an index that this node has reached, in what the
// answers about namespaces, drafts, publish requests and policies are made of: the
// answer to a write, given again, is the first one, and that of a read of the past
// is the same on every node. The rest is of the present, as in past.
type bygone struct{ past }

// formerState looks at the state as of a history's index.
func (x *exchange) formerState(h *projections.History) *bygone {
	return &bygone{past{State: x.present(), history: h}}
}

// view is the state that a read is about: the present or, with at, the past. end
// gives it back, and says what could not be read.
func (x *exchange) view() (v events.View, end func() error, err error) {
	h, release, err := x.past()
	if err != nil {
		return nil, nil, err
	}
	if h == nil {
		return x.state, func() error { return nil }, nil
	}
	then := x.formerState(h)
	return then, func() error { release(); return then.err }, nil
}

// asOfIndex looks at the state as of an index. Release it.
func (x *exchange) asOfIndex(index uint64) (v *bygone, release func()) {
	h, release := x.Reader.History(index)
	return &bygone{past{State: x.Reader.State(), history: h}}, release
}

// Namespace is a namespace as it was; its Contents are not known.
func (v *bygone) Namespace(path string) events.Namespace {
	n, err := v.history.Namespace(path)
	v.note(err)
	return n
}

// APIKey is an API key as it was.
func (v *bygone) APIKey(id string) events.APIKey {
	k, err := v.history.APIKey(id)
	v.note(err)
	return k
}

// APIKeys yields the API keys that there were.
func (v *bygone) APIKeys(after string) iter.Seq[events.APIKey] {
	return func(yield func(events.APIKey) bool) {
		for k, err := range v.history.APIKeys(after) {
			if v.note(err); err != nil || !yield(k) {
				return
			}
		}
	}
}

// Roles are those that a namespace itself gave.
func (v *bygone) Roles(namespace string) events.Roles { return v.Policy(namespace).Roles }

// Draft is the draft of a key as it was.
func (v *bygone) Draft(namespace, key string) events.Draft {
	d, err := v.history.Draft(namespace, key)
	v.note(err)
	return d
}

// Request is a publish request as it was, open or closed.
func (v *bygone) Request(id string) events.Request {
	r, err := v.history.Request(id)
	v.note(err)
	return r
}

var _ events.View = (*bygone)(nil)

// timeOf is when the event that a history is read as of happened; zero before the
// first.
func timeOf(h *projections.History) (time.Time, error) {
	if h.Index() == h.Horizon().Edge().Index {
		return h.Horizon().Time, nil
	}
	r, err := h.Record(h.Index())
	return r.Time, err
}
