package api

import (
	"confman/events"
)

// bygone is the state as of an index that this node has reached, in what the
// answers about drafts, publish requests and policies are made of: the answer to
// a write, given again, is the first one. The rest is of the present, as in past.
type bygone struct{ past }

// asOfIndex looks at the state as of an index. Release it.
func (x *exchange) asOfIndex(index uint64) (v *bygone, release func()) {
	h, release := x.Reader.History(index)
	return &bygone{past{State: x.Reader.State(), history: h}}, release
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
