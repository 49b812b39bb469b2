package streaming

import (
	"cmp"
	"slices"
	"strings"

	"confman/events"
)

// Filter says which events a watch delivers.
type Filter struct {
	Namespaces []string // their subtrees; none, or [events.Root]: all
	Key        string   // only what is about this key, in any namespace of them
	Prefix     string   // only what is about keys that begin with this
	Events     string   // kinds; see [Filter.Check]; empty: all of config
	Bare       bool     // leave values out
}

// Bounds of a Filter.
const (
	MaxNamespaces = 64
	maxKinds      = 32
	configEvents  = "config"
	allEvents     = "all"
)

// Check refuses what no watch can mean. Events is "all", or a list, separated by
// commas, of kinds ("config.updated") and of first parts of kinds ("config").
func (f Filter) Check() error {
	if len(f.Namespaces) > MaxNamespaces {
		return events.Invalid("/namespace", "is given %d times, at most %d are allowed", len(f.Namespaces), MaxNamespaces)
	}
	for _, n := range f.Namespaces {
		if n == events.Root {
			continue
		}
		if err := events.CheckNamespace(n); err != nil {
			return err
		}
	}
	if f.Key != "" && f.Prefix != "" {
		return events.Invalid("/prefix", "contradicts key; give one of them")
	}
	if f.Key != "" {
		if err := events.CheckKey(f.Key); err != nil {
			return err
		}
	}
	if len(f.Prefix) > events.MaxKeyBytes {
		return events.Invalid("/prefix", "has %d bytes, at most %d are allowed", len(f.Prefix), events.MaxKeyBytes)
	}
	return f.checkKinds()
}

func (f Filter) checkKinds() error {
	if f.Events == "" || f.Events == allEvents {
		return nil
	}
	wanted := strings.Split(f.Events, ",")
	if len(wanted) > maxKinds {
		return events.Invalid("/events", "lists %d kinds, at most %d are allowed", len(wanted), maxKinds)
	}
	for _, w := range wanted {
		known := slices.ContainsFunc(events.Kinds(), func(k events.Kind) bool { return k.Matches(w) })
		if !known {
			return events.Invalid("/events", "%.64q is neither all, nor a kind of event such as config.updated, nor the first part of one such as config", w)
		}
	}
	return nil
}

// selector is a filter made ready for use.
type selector struct {
	namespaces []string // none of them within another; none: all
	key        string
	prefix     string
	kinds      []events.Kind // nil: all
	bare       bool
}

func (f Filter) selector() selector {
	return selector{namespaces: outermost(f.Namespaces), key: f.Key, prefix: f.Prefix, bare: f.Bare, kinds: f.Kinds()}
}

// Kinds are the kinds of events that the filter selects; nil: all.
func (f Filter) Kinds() (kinds []events.Kind) {
	if f.Events == allEvents {
		return nil
	}
	list := strings.Split(cmp.Or(f.Events, configEvents), ",")
	for _, k := range events.Kinds() {
		if slices.ContainsFunc(list, func(w string) bool { return k.Matches(w) }) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// outermost leaves out namespaces that lie within others, sorted; nil when that
// is everything.
func outermost(namespaces []string) (kept []string) {
	sorted := slices.Sorted(slices.Values(namespaces))
	for _, n := range sorted {
		if n == events.Root {
			return nil
		}
		if !slices.ContainsFunc(kept, func(k string) bool { return events.Within(n, k) }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// matches reports whether the filter selects an event.
func (s *selector) matches(e *events.Event) bool {
	if s.kinds != nil && !slices.Contains(s.kinds, e.Data.Kind()) {
		return false
	}
	return s.names(e.Namespace, e.Key)
}

// names reports whether the filter selects what is about an entry, or, with an
// empty key, about a namespace, or, with both empty, about neither.
func (s *selector) names(namespace, key string) bool {
	if s.key != "" && key != s.key || s.prefix != "" && (key == "" || !strings.HasPrefix(key, s.prefix)) {
		return false
	}
	if s.namespaces == nil {
		return true
	}
	for _, n := range s.namespaces {
		if namespace != "" && events.Within(namespace, n) {
			return true
		}
	}
	return false
}

// subtrees are the namespaces whose entries a snapshot begins with.
func (s *selector) subtrees() []string {
	if s.namespaces == nil {
		return []string{events.Root}
	}
	return s.namespaces
}

// topics are what a watch with this filter is woken by.
func (s *selector) topics() (topics []topic) {
	for _, n := range s.subtrees() {
		topics = append(topics, topic{n, s.key})
	}
	return topics
}
