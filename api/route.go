package api

import (
	"net/http"
	"slices"
	"strings"

	"confman/events"
)

// access is what a caller needs for an endpoint.
type access uint8

const (
	anyone  access = iota // no key
	holder                // any usable key; the handler shows what the caller may see
	watcher               // the same, or a ticket; the query may name several namespaces
	visitor               // may see at least something in the namespace; the handler filters
	member                // has the role on the namespace or, where the path has a key, on the entry
	root                  // is admin of /
	whole                 // is admin of / and of all that is cut off from its roles: sees every byte
)

// route is one row of the table that everything follows: which paths exist, who
// may use them, and how metrics and the OpenAPI document call them.
type route struct {
	method  string
	pattern string
	access  access
	role    events.Role // for member
	leads   bool        // only the leader can do it: elsewhere it is handed over
	serve   func(*exchange) error
}

// endpoint is a route with what is prepared for it once.
type endpoint struct {
	route
	meter
	weight
}

// newPathsOf files the routes by pattern, HEAD with GET.
func newPathsOf(routes []route, m *metrics) *paths {
	p := newPaths()
	byPattern := map[string]*resource{}
	for _, r := range routes {
		found := byPattern[r.pattern]
		if found == nil {
			found = &resource{pattern: r.pattern, methods: map[string]*endpoint{}}
			byPattern[r.pattern] = found
			p.add(found)
		}
		e := &endpoint{r, m.of(r.method, r.pattern), r.weigh()}
		found.methods[r.method] = e
		if r.method == http.MethodGet {
			found.methods[http.MethodHead] = e
		}
	}
	for _, r := range byPattern {
		methods := []string{http.MethodOptions}
		for method := range r.methods {
			methods = append(methods, method)
		}
		slices.Sort(methods)
		r.allow = strings.Join(methods, ", ")
	}
	return p
}

// authorize decides whether the caller may use the endpoint at all.
func (x *exchange) authorize() error {
	who, n := x.principal, x.names
	switch x.endpoint.access {
	case visitor:
		if !who.CanSee(n.namespace) {
			return lacks(who, events.Viewer, n.namespace, "")
		}
	case member:
		return x.need(x.endpoint.role, n.namespace, n.key)
	case root:
		return x.need(events.Admin, events.Root, "")
	case whole:
		return x.needWhole()
	}
	return nil
}

// need refuses a caller without the role on an entry, or, with an empty key, on
// the namespace.
func (x *exchange) need(role events.Role, namespace, key string) error {
	if x.principal.Can(role, namespace, key) {
		return nil
	}
	return lacks(x.principal, role, namespace, key)
}

func lacks(who events.Principal, role events.Role, namespace, key string) error {
	where := "namespace " + namespace
	if key != "" {
		where = "entry " + key + " of " + where
	}
	return &events.Refusal{
		Kind:   events.ErrForbidden,
		Detail: who.Name + " needs the role " + role.String() + " on " + where,
	}
}

// needWhole refuses a caller who is not admin of everything, however much of it
// is cut off from the roles above.
func (x *exchange) needWhole() error {
	if err := x.need(events.Admin, events.Root, ""); err != nil {
		return err
	}
	for namespace := range x.present().CutOff() {
		if err := x.need(events.Admin, namespace, ""); err != nil {
			return err
		}
	}
	return nil
}
