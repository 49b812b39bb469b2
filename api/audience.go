package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"confman/api/wire"
	"confman/events"
)

// audience is who watches now, on all members, as far as the caller may see it:
// what GET /api/v1/watches shows.
type audience struct {
	watches []wire.Watching
	nodes   []string // that answered
	silent  []string // that did not
}

// audience asks all members.
func (x *exchange) audience() (a audience) {
	a.watches = x.watchesHere()
	a.nodes = []string{x.NodeID}
	for _, o := range askMembers(x, x.watchesOf) {
		if o.err != nil {
			a.silent = append(a.silent, o.member)
			continue
		}
		a.nodes = append(a.nodes, o.member)
		a.watches = append(a.watches, o.answer...)
	}
	slices.Sort(a.nodes)
	return a
}

// watchesHere are the watches of this node that the caller may see.
func (x *exchange) watchesHere() (watches []wire.Watching) {
	for _, w := range x.streams.List() {
		if x.administersAll(w.Filter.Namespaces) {
			watches = append(watches, x.wireWatching(w))
		}
	}
	return watches
}

// watchesOf asks one member, page by page.
func (x *exchange) watchesOf(ctx context.Context, m wire.Member) (all []wire.Watching, err error) {
	next := x.url(m.Address) + "api/v1/watches"
	for next != "" {
		var page []wire.Watching
		if next, err = x.askMember(ctx, next, &page); err != nil {
			return nil, fmt.Errorf("ask member %s for its watches: %w", m.ID, err)
		}
		all = append(all, page...)
	}
	return all, nil
}

// reached are the watches that would receive a change of an entry.
func (x *exchange) reached(watches []wire.Watching, kind events.Kind, namespace, key string) (indexes []int) {
	for i, w := range watches {
		if selected(w, kind, namespace, key) && x.mayReceive(w, namespace, key) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// selected reports whether the filter of a watch selects an event.
func selected(w wire.Watching, kind events.Kind, namespace, key string) bool {
	if w.Key != "" && w.Key != key || !strings.HasPrefix(key, w.Prefix) {
		return false
	}
	within := func(n string) bool { return events.Within(namespace, n) }
	if len(w.Namespaces) > 0 && !slices.ContainsFunc(w.Namespaces, within) {
		return false
	}
	return w.Events == wire.EventsAll || slices.ContainsFunc(strings.Split(w.Events, ","), kind.Matches)
}

// mayReceive reports whether whoever watches may read the entry. Of who watches
// without an API key not all is known here; they count.
func (x *exchange) mayReceive(w wire.Watching, namespace, key string) bool {
	if w.KeyID == "" {
		return true
	}
	return x.state.APIKey(w.KeyID).Bearer(x.state).Can(events.Viewer, namespace, key)
}
