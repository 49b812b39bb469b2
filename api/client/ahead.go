package client

import (
	"maps"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
)

// aheadWait is how long a node waits for an event that another one does not have.
const aheadWait = time.Second

// named is the highest event index among moments that a request names: an index or
// a position; a time is none.
func named(moments ...string) (highest uint64) {
	for _, moment := range moments {
		if strings.ContainsRune(moment, ':') {
			continue
		}
		if index, err := indexOf(moment); err == nil {
			highest = max(highest, index)
		}
	}
	return highest
}

// ahead reports whether a node has not come as far as an event that the call names,
// which may be one that nobody has. What was seen in an answer, and is waited for
// by Read.MinIndex, there is.
func (c call) ahead(p *Problem) bool {
	seen, _ := indexOf(c.header.Get(wire.HeaderMinIndex))
	return p.Type == wire.ProblemNotCaughtUp && c.named > p.Index && seen <= p.Index
}

// round is which nodes a call has asked, so that each is asked before one is asked
// again. Once a node has said that it does not have an event that the call names,
// there is no second round.
type round struct {
	asked  []string // origins that failed, for whatever reason
	behind error    // what the last node said that does not have the event
}

// pick is nodes.pick for a call after a failure; more is false where nobody is left
// to ask.
func (r *round) pick(n *nodes, call *call, last failure) (origin string, rest time.Duration, more bool) {
	if last.ahead {
		r.behind = last.err
	}
	if r.behind != nil && call.wait == 0 {
		call.query = maps.Clone(call.query)
		call.query.Set(wire.ParamWait, aheadWait.String())
	}
	r.asked = append(r.asked, last.origin)
	origin, rest = n.pick(call.writes(), r.asked, time.Now())
	if !slices.Contains(r.asked, origin) {
		return origin, rest, true
	}
	r.asked = []string{last.origin}
	origin, rest = n.pick(call.writes(), r.asked, time.Now())
	return origin, rest, r.behind == nil
}
