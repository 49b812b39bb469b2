package events_test

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"confman/events"
)

// world is a present made of maps, as dumb as can be.
type world struct {
	index      uint64
	cluster    events.Cluster
	namespaces map[string]events.Namespace
	entries    map[[2]string]events.Entry
	keys       map[string]events.APIKey
	policies   map[string]events.Policy
	drafts     map[[2]string]events.Draft
	requests   map[string]events.Request
	webhooks   map[string]events.Webhook
}

var _ events.View = world{}

func (w world) Index() uint64                          { return w.index }
func (w world) Cluster() events.Cluster                { return w.cluster }
func (w world) Namespace(path string) events.Namespace { return w.namespaces[path] }
func (w world) Entry(ns, key string) events.Entry      { return w.entries[[2]string{ns, key}] }
func (w world) APIKey(id string) events.APIKey         { return w.keys[id] }
func (w world) Policy(ns string) events.Policy         { return w.policies[ns] }
func (w world) Roles(ns string) events.Roles           { return w.policies[ns].Roles }
func (w world) Draft(ns, key string) events.Draft      { return w.drafts[[2]string{ns, key}] }
func (w world) Request(id string) events.Request       { return w.requests[id] }
func (w world) Webhook(id string) events.Webhook       { return w.webhooks[id] }

func (w world) PoliciesRevision() (newest uint64) {
	for _, p := range w.policies {
		newest = max(newest, p.Revision)
	}
	return newest
}

func (w world) NamespacesRevision() (newest uint64) {
	for _, n := range w.namespaces {
		newest = max(newest, n.Created)
		if n.Deleted {
			newest = max(newest, n.Revision)
		}
	}
	return newest
}

func (w world) Usage(subtree string) (u events.Usage) {
	counted := map[[2]string]bool{}
	for at, e := range w.entries {
		if e.Live() && under(at[0], subtree) {
			counted[at] = true
			u.Bytes += int64(len(at[1]) + len(e.Value.JSON))
		}
	}
	for at, d := range w.drafts {
		if !d.Delete && under(at[0], subtree) {
			counted[at] = true
			u.Bytes += int64(len(at[1]) + len(d.Value.JSON))
		}
	}
	u.Keys = int64(len(counted))
	return u
}

func under(path, subtree string) bool {
	return subtree == "/" || path == subtree || strings.HasPrefix(path, subtree+"/")
}

func (w world) Entries(ns string) iter.Seq[events.Entry] {
	return sorted(w.entries, func(e events.Entry) (string, bool) { return e.Key, e.Namespace == ns && e.Live() })
}

func (w world) Drafts(ns string) iter.Seq[events.Draft] {
	return sorted(w.drafts, func(d events.Draft) (string, bool) { return d.Key, d.Namespace == ns })
}

func (w world) NamespacesWithin(subtree string) iter.Seq[events.Namespace] {
	return sorted(w.namespaces, func(n events.Namespace) (string, bool) { return n.Path, n.Live() && under(n.Path, subtree) })
}

func (w world) APIKeys(after string) iter.Seq[events.APIKey] {
	return sorted(w.keys, func(k events.APIKey) (string, bool) { return k.ID, k.ID > after })
}

func (w world) Requests(after string) iter.Seq[events.Request] {
	return sorted(w.requests, func(r events.Request) (string, bool) { return r.ID, r.ID > after })
}

func (w world) RolesWithin(subtree string) iter.Seq2[string, events.Roles] {
	return func(yield func(string, events.Roles) bool) {
		for _, path := range slices.Sorted(maps.Keys(w.policies)) {
			if under(path, subtree) && !yield(path, w.policies[path].Roles) {
				return
			}
		}
	}
}

// sorted yields the values of a map that are wanted, by name.
func sorted[K comparable, V any](all map[K]V, by func(V) (name string, wanted bool)) iter.Seq[V] {
	var wanted []V
	for _, v := range all {
		if _, ok := by(v); ok {
			wanted = append(wanted, v)
		}
	}
	slices.SortFunc(wanted, func(a, b V) int {
		x, _ := by(a)
		y, _ := by(b)
		return cmp.Compare(x, y)
	})
	return slices.Values(wanted)
}
