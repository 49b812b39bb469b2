package torture

import (
	"maps"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
)

// ledger is what an export says that every key is: a fold that knows nothing of
// how nodes do it. It is given one event after the other.
type ledger map[string]map[string]held // namespace → key

// held is what a key is, or was when it was deleted.
type held struct {
	live               bool
	text               string
	version, index     uint64
	at, createdAt      time.Time
	by, createdBy      string
	namespace, comment string
}

func (l ledger) fold(e wire.AuditEvent) {
	if e.Key == nil || !strings.HasPrefix(e.Action, "config.") {
		return
	}
	keys := l[e.Namespace]
	if keys == nil {
		keys = map[string]held{}
		l[e.Namespace] = keys
	}
	h := keys[*e.Key]
	if !h.live {
		h.createdAt, h.createdBy = e.Timestamp, e.Actor
	}
	h.live, h.text = e.NewValue != nil, ""
	if h.live {
		h.text = *e.NewValue
	}
	h.version++
	h.index, h.at, h.by, h.namespace, h.comment = e.Index, e.Timestamp, e.Actor, e.Namespace, e.Comment
	keys[*e.Key] = h
}

// list is what a namespace has, by key; with resolve, also what it inherits.
func (l ledger) list(namespace string, resolve bool) map[string]held {
	all := map[string]held{}
	for {
		for key, h := range l[namespace] {
			if _, nearer := all[key]; !nearer && h.live {
				all[key] = h
			}
		}
		i := strings.LastIndexByte(namespace, '/')
		if i < 0 || !resolve {
			return all
		}
		namespace = namespace[:i]
	}
}

// answered is the same out of a node's answer, and whether that was in order.
func answered(entries []wire.ConfigEntry) (all map[string]held, sorted bool) {
	all = map[string]held{}
	for _, e := range entries {
		from := e.From
		if from == "" {
			from = e.Namespace
		}
		all[e.Key] = held{true, text(e.Value), e.Version, e.Index, e.UpdatedAt, e.CreatedAt, e.UpdatedBy, e.CreatedBy, from, e.Comment}
	}
	sorted = len(all) == len(entries) && slices.IsSortedFunc(entries, func(a, b wire.ConfigEntry) int { return strings.Compare(a.Key, b.Key) })
	return all, sorted
}

// sameLists says in what two lists differ; empty when they do not.
func sameLists(got, want map[string]held) string {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if g, w := got[key], want[key]; g != w {
			return key + " is not what the export says"
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, there := want[key]; !there {
			return key + " is not in the export"
		}
	}
	return ""
}
