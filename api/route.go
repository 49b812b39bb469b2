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
	root                  // is admin of everything
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

// table lists all routes.
func table() []route {
	const (
		get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete

		ns  = namespacesPath + "{namespace}"
		v1  = "/api/v1"
		all = events.NoRole
	)
	return []route{
		{get, "/", anyone, all, false, (*exchange).index},
		{get, "/health", anyone, all, false, (*exchange).health},
		{get, "/health/ready", anyone, all, false, (*exchange).ready},
		{get, "/metrics", anyone, all, false, (*exchange).metrics},
		{get, "/openapi.yaml", anyone, all, false, (*exchange).openapiYAML},
		{get, "/openapi.json", anyone, all, false, (*exchange).openapiJSON},
		{get, "/confman.js", anyone, all, false, (*exchange).module},
		{get, "/problems/{slug}", anyone, all, false, (*exchange).problemPage},
		{get, "/debug/pprof/", root, all, false, (*exchange).profile},
		{get, "/debug/pprof/{profile}", root, all, false, (*exchange).profile},

		{get, v1 + "/namespaces", holder, all, false, (*exchange).listNamespaces},
		{get, ns, visitor, all, false, (*exchange).getNamespace},
		{put, ns, member, events.Admin, true, (*exchange).putNamespace},
		{del, ns, member, events.Admin, true, (*exchange).deleteNamespace},

		{get, ns + "/config", visitor, all, false, (*exchange).listEntries},
		{get, ns + "/config/{key}", member, events.Viewer, false, (*exchange).getEntry},
		{put, ns + "/config/{key}", member, events.Editor, true, (*exchange).putEntry},
		{del, ns + "/config/{key}", member, events.Editor, true, (*exchange).deleteEntry},
		{get, ns + "/history/{key}", member, events.Viewer, false, (*exchange).entryHistory},
		{get, ns + "/audit", visitor, all, false, (*exchange).namespaceAudit},

		{get, v1 + "/configs", holder, all, false, (*exchange).listAllEntries},
		{post, v1 + "/transactions", holder, all, true, (*exchange).transact},
		{get, v1 + "/audit", holder, all, false, (*exchange).audit},

		{get, watchPath, watcher, all, false, (*exchange).watch},
		{post, v1 + "/watch/tickets", holder, all, false, (*exchange).createTicket},
		{get, v1 + "/watches", holder, all, false, (*exchange).listWatches},

		{get, v1 + "/keys", holder, all, false, (*exchange).listKeys},
		{post, v1 + "/keys", holder, all, true, (*exchange).createKey},
		{del, v1 + "/keys/{id}", holder, all, true, (*exchange).revokeKey},
		{get, v1 + "/whoami", holder, all, false, (*exchange).whoami},

		{get, v1 + "/cluster", root, all, false, (*exchange).cluster},
		{post, v1 + "/cluster/members", root, all, true, (*exchange).addMember},
		{del, v1 + "/cluster/members/{id}", root, all, true, (*exchange).removeMember},
		{post, v1 + "/cluster/transfer-leader", root, all, true, (*exchange).transferLeader},
		{post, v1 + "/cluster/snapshot", root, all, false, (*exchange).snapshot},
	}
}

// endpoint is a route with what is prepared for it once.
type endpoint struct {
	route
	meter
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
		e := &endpoint{r, m.of(r.method, r.pattern)}
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
