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

	unlimited bool // whatever the caller's rate
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
		{get, "/", anyone, all, false, (*exchange).index, false},
		{get, "/health", anyone, all, false, (*exchange).health, false},
		{get, "/health/ready", anyone, all, false, (*exchange).ready, false},
		{get, "/metrics", anyone, all, false, (*exchange).metrics, false},
		{get, "/openapi.yaml", anyone, all, false, (*exchange).openapiYAML, false},
		{get, "/openapi.json", anyone, all, false, (*exchange).openapiJSON, false},
		{get, "/confman.js", anyone, all, false, (*exchange).module, false},
		{get, "/problems/{slug}", anyone, all, false, (*exchange).problemPage, false},
		{get, "/auth/login", anyone, all, false, (*exchange).beginLogin, false},
		{get, "/auth/callback", anyone, all, false, (*exchange).finishLogin, false},
		{post, "/auth/logout", anyone, all, false, (*exchange).logout, false},
		{get, "/auth/config", anyone, all, false, (*exchange).describeLogin, false},
		{get, "/debug/pprof/", root, all, false, (*exchange).profile, false},
		{get, "/debug/pprof/{profile}", root, all, false, (*exchange).profile, false},

		{get, v1 + "/namespaces", holder, all, false, (*exchange).listNamespaces, false},
		{get, ns, visitor, all, false, (*exchange).getNamespace, false},
		{put, ns, member, events.Admin, true, (*exchange).putNamespace, false},
		{del, ns, member, events.Admin, true, (*exchange).deleteNamespace, false},

		{get, ns + "/config", visitor, all, false, (*exchange).listEntries, false},
		{get, ns + "/config/{key}", member, events.Viewer, false, (*exchange).getEntry, false},
		{put, ns + "/config/{key}", member, events.Editor, true, (*exchange).putEntry, false},
		{del, ns + "/config/{key}", member, events.Editor, true, (*exchange).deleteEntry, false},
		{get, ns + "/history/{key}", member, events.Viewer, false, (*exchange).entryHistory, false},
		{get, ns + "/audit", visitor, all, false, (*exchange).namespaceAudit, false},

		{get, ns + "/roles", visitor, all, false, (*exchange).getRoles, false},
		{put, ns + "/roles", member, events.Admin, true, (*exchange).putRoles, false},
		{get, ns + "/schema", visitor, all, false, (*exchange).getSchema, false},
		{put, ns + "/schema", member, events.Admin, true, (*exchange).putSchema, false},
		{post, ns + "/schema", member, events.Admin, false, (*exchange).testSchema, false},
		{get, ns + "/settings", visitor, all, false, (*exchange).getSettings, false},
		{put, ns + "/settings", member, events.Admin, true, (*exchange).putSettings, false},

		{get, ns + "/drafts", visitor, all, false, (*exchange).listDrafts, false},
		{get, ns + "/drafts/{key}", member, events.Editor, false, (*exchange).getDraft, false},
		{put, ns + "/drafts/{key}", member, events.Editor, true, (*exchange).putDraft, false},
		{del, ns + "/drafts/{key}", member, events.Editor, true, (*exchange).discardDraft, false},

		{get, v1 + "/publish-requests", holder, all, false, (*exchange).listRequests, false},
		{post, v1 + "/publish-requests", holder, all, true, (*exchange).submitRequest, false},
		{get, v1 + "/publish-requests/{id}", holder, all, false, (*exchange).getRequest, false},
		{post, v1 + "/publish-requests/{id}/approve", holder, all, true, (*exchange).approve, true},
		{post, v1 + "/publish-requests/{id}/reject", holder, all, true, (*exchange).reject, true},
		{post, v1 + "/publish-requests/{id}/withdraw", holder, all, true, (*exchange).withdraw, true},
		{post, v1 + "/publish-requests/{id}/bypass", holder, all, true, (*exchange).bypass, true},
		{get, v1 + "/publish-requests/{id}/impact", holder, all, false, (*exchange).impact, false},
		{post, v1 + "/publish-requests/{id}/rollback", holder, all, true, (*exchange).rollbackRequest, false},

		{post, ns + "/rollback", member, events.Publisher, true, (*exchange).rollbackNamespace, false},
		{post, ns + "/rollback/{key}", member, events.Publisher, true, (*exchange).rollbackEntry, false},
		{post, v1 + "/revert", holder, all, true, (*exchange).revert, false},
		{post, v1 + "/promote", holder, all, true, (*exchange).promote, false},
		{get, v1 + "/diff", holder, all, false, (*exchange).diff, false},
		{post, v1 + "/validate", holder, all, false, (*exchange).validate, false},
		{get, v1 + "/access/explain", holder, all, false, (*exchange).explainAccess, false},

		{get, v1 + "/webhooks", holder, all, false, (*exchange).listWebhooks, false},
		{post, v1 + "/webhooks", holder, all, true, (*exchange).createWebhook, false},
		{get, v1 + "/webhooks/{id}", holder, all, false, (*exchange).getWebhook, false},
		{put, v1 + "/webhooks/{id}", holder, all, true, (*exchange).putWebhook, false},
		{del, v1 + "/webhooks/{id}", holder, all, true, (*exchange).deleteWebhook, false},
		{post, v1 + "/webhooks/{id}/rotate", holder, all, true, (*exchange).rotateWebhook, false},
		{get, v1 + "/webhooks/{id}/deliveries", holder, all, true, (*exchange).listDeliveries, false},
		{post, v1 + "/webhooks/{id}/resend", holder, all, true, (*exchange).resendDelivery, false},

		{get, v1 + "/configs", holder, all, false, (*exchange).listAllEntries, false},
		{post, v1 + "/transactions", holder, all, true, (*exchange).transact, false},
		{get, v1 + "/audit", holder, all, false, (*exchange).audit, false},

		{get, watchPath, watcher, all, false, (*exchange).watch, false},
		{post, v1 + "/watch/tickets", holder, all, false, (*exchange).createTicket, false},
		{get, v1 + "/watches", holder, all, false, (*exchange).listWatches, false},

		{get, v1 + "/keys", holder, all, false, (*exchange).listKeys, false},
		{post, v1 + "/keys", holder, all, true, (*exchange).createKey, false},
		{del, v1 + "/keys/{id}", holder, all, true, (*exchange).revokeKey, false},
		{get, v1 + "/whoami", holder, all, false, (*exchange).whoami, false},

		{get, v1 + "/cluster", root, all, false, (*exchange).cluster, false},
		{post, v1 + "/cluster/members", root, all, true, (*exchange).addMember, false},
		{del, v1 + "/cluster/members/{id}", root, all, true, (*exchange).removeMember, false},
		{post, v1 + "/cluster/transfer-leader", root, all, true, (*exchange).transferLeader, false},
		{post, v1 + "/cluster/snapshot", root, all, false, (*exchange).snapshot, false},
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
