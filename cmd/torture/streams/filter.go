package streams

import (
	"net/url"
	"slices"
	"strings"

	"confman/api/wire"
)

// Filter says what a watch asked for, and what its caller may see.
type Filter struct {
	Namespaces  []string // subtrees; none: everything
	Key, Prefix string
	Events      string // as asked; "": config events
	Bare        bool   // without values

	Grants []wire.Grant // of the API key; nil: an admin of everything
}

// Query is the filter as the query of a watch has it.
func (f Filter) Query() url.Values {
	q := url.Values{}
	for _, n := range f.Namespaces {
		q.Add(wire.ParamNamespace, n)
	}
	for name, value := range map[string]string{wire.ParamKey: f.Key, wire.ParamPrefix: f.Prefix, wire.ParamEvents: f.Events} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Bare {
		q.Set(wire.ParamValues, wire.ValuesNone)
	}
	return q
}

// Op is the filter as a message of a WebSocket has it.
func (f Filter) Op(id, after string) wire.WatchOp {
	op := wire.WatchOp{
		Op: wire.OpWatch, ID: id, Namespace: f.Namespaces, Key: f.Key, Prefix: f.Prefix, Events: f.Events, After: after,
	}
	if f.Bare {
		op.Values = wire.ValuesNone
	}
	return op
}

// wants reports whether an event belongs on the stream.
func (f Filter) wants(e *wire.AuditEvent) bool {
	key := ""
	if e.Key != nil {
		key = *e.Key
	}
	return f.wantsKind(e.Action) && f.wantsEntry(name{e.Namespace, key})
}

func (f Filter) wantsKind(kind string) bool {
	switch f.Events {
	case "", wire.EventsConfig:
		return within(kind, "config", ".")
	case wire.EventsAll:
		return true
	}
	return slices.ContainsFunc(strings.Split(f.Events, ","), func(one string) bool { return within(kind, one, ".") })
}

// wantsEntry reports whether an entry belongs into a snapshot; with an empty key,
// whether what is about the namespace belongs on the stream.
func (f Filter) wantsEntry(n name) bool {
	inside := func(tree string) bool { return tree == wire.Root || within(n.namespace, tree, "/") }
	if len(f.Namespaces) > 0 && !slices.ContainsFunc(f.Namespaces, inside) {
		return false
	}
	if f.Key != "" && n.key != f.Key || f.Prefix != "" && (n.key == "" || !strings.HasPrefix(n.key, f.Prefix)) {
		return false
	}
	return f.Grants == nil || slices.ContainsFunc(f.Grants, func(g wire.Grant) bool { return covers(g, n) })
}

// covers reports whether a grant lets its holder see an entry, or, with an empty
// key, what is about the namespace. What is about no namespace is for admins of
// everything.
func covers(g wire.Grant, n name) bool {
	if n.namespace == "" {
		return g.Namespace == wire.Root && g.Role == wire.RoleAdmin && g.Keys == ""
	}
	if g.Namespace != wire.Root && !within(n.namespace, g.Namespace, "/") {
		return false
	}
	beginning, open := strings.CutSuffix(g.Keys, "*")
	switch {
	case g.Keys == "":
		return true
	case open:
		return n.key != "" && strings.HasPrefix(n.key, beginning)
	}
	return n.key == g.Keys
}

// within reports whether a path is another or lies below it.
func within(path, tree, separator string) bool {
	return path == tree || strings.HasPrefix(path, tree+separator)
}
