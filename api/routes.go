package api

import (
	"net/http"
	"path"
	"slices"

	"confman/events"
)

// What the tables are written with.
const (
	get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete

	v1  = "/api/v1"
	ns  = namespacesPath + "{namespace}"
	all = events.NoRole
)

// table lists all routes.
func table() []route {
	return slices.Concat(webRoutes(), namespaceRoutes(), changeRoutes(), otherRoutes())
}

// unlimited reports whether the route answers whatever the caller's rate: nobody
// is kept from taking something away or from having a say in a review.
func (r route) unlimited() bool {
	switch path.Base(r.pattern) {
	case "approve", "reject", "withdraw", "bypass":
		return true
	}
	return r.method == del
}

// webRoutes are for browsers, monitors and whoever looks around.
func webRoutes() []route {
	return []route{
		{get, "/", anyone, all, false, (*exchange).index},
		{get, "/ui/", anyone, all, false, (*exchange).dashboardPage},
		{get, "/ui/" + anyPath, anyone, all, false, (*exchange).dashboardPage},
		{get, "/dashboard/" + anyPath, anyone, all, false, (*exchange).dashboardFile},
		{get, "/health", anyone, all, false, (*exchange).health},
		{get, "/health/ready", anyone, all, false, (*exchange).ready},
		{get, "/metrics", anyone, all, false, (*exchange).metrics},
		{get, "/openapi.yaml", anyone, all, false, (*exchange).openapiYAML},
		{get, "/openapi.json", anyone, all, false, (*exchange).openapiJSON},
		{get, "/confman.js", anyone, all, false, (*exchange).module},
		{get, "/problems/{slug}", anyone, all, false, (*exchange).problemPage},
		{get, "/auth/login", anyone, all, false, (*exchange).beginLogin},
		{get, "/auth/callback", anyone, all, false, (*exchange).finishLogin},
		{get, "/auth/session", anyone, all, false, (*exchange).showSession},
		{post, "/auth/session", anyone, all, false, (*exchange).signIn},
		{post, "/auth/logout", anyone, all, false, (*exchange).logout},
		{get, "/auth/config", anyone, all, false, (*exchange).describeLogin},
		{get, "/debug/pprof/", root, all, false, (*exchange).profile},
		{get, "/debug/pprof/{profile}", root, all, false, (*exchange).profile},
	}
}

// namespaceRoutes are about one namespace, its entries, drafts and policies.
func namespaceRoutes() []route {
	return []route{
		{get, v1 + "/namespaces", holder, all, false, (*exchange).listNamespaces},
		{get, ns, visitor, all, false, (*exchange).getNamespace},
		{put, ns, member, events.Admin, true, (*exchange).putNamespace},
		{del, ns, member, events.Admin, true, (*exchange).deleteNamespace},

		{get, ns + "/config", visitor, all, false, (*exchange).listEntries},
		{get, ns + "/config/{key}", member, events.Viewer, false, (*exchange).getEntry},
		{put, ns + "/config/{key}", member, events.Editor, true, (*exchange).putEntry},
		{del, ns + "/config/{key}", member, events.Editor, true, (*exchange).deleteEntry},
		{get, ns + "/history/{key}", member, events.Viewer, false, (*exchange).entryHistory},
		{get, ns + "/explain/{key}", member, events.Viewer, false, (*exchange).explain},
		{get, ns + "/audit", visitor, all, false, (*exchange).namespaceAudit},

		{get, ns + "/roles", visitor, all, false, (*exchange).getRoles},
		{put, ns + "/roles", member, events.Admin, true, (*exchange).putRoles},
		{get, ns + "/schema", visitor, all, false, (*exchange).getSchema},
		{put, ns + "/schema", member, events.Admin, true, (*exchange).putSchema},
		{post, ns + "/schema", member, events.Admin, false, (*exchange).testSchema},
		{get, ns + "/settings", visitor, all, false, (*exchange).getSettings},
		{put, ns + "/settings", member, events.Admin, true, (*exchange).putSettings},

		{get, ns + "/drafts", visitor, all, false, (*exchange).listDrafts},
		{get, ns + "/drafts/{key}", member, events.Editor, false, (*exchange).getDraft},
		{put, ns + "/drafts/{key}", member, events.Editor, true, (*exchange).putDraft},
		{del, ns + "/drafts/{key}", member, events.Editor, true, (*exchange).discardDraft},
	}
}

// changeRoutes are about changes on their way, and the way back.
func changeRoutes() []route {
	return []route{
		{get, v1 + "/publish-requests", holder, all, false, (*exchange).listRequests},
		{post, v1 + "/publish-requests", holder, all, true, (*exchange).submitRequest},
		{get, v1 + "/publish-requests/{id}", holder, all, false, (*exchange).getRequest},
		{post, v1 + "/publish-requests/{id}/approve", holder, all, true, (*exchange).approve},
		{post, v1 + "/publish-requests/{id}/reject", holder, all, true, (*exchange).reject},
		{post, v1 + "/publish-requests/{id}/withdraw", holder, all, true, (*exchange).withdraw},
		{post, v1 + "/publish-requests/{id}/bypass", holder, all, true, (*exchange).bypass},
		{get, v1 + "/publish-requests/{id}/impact", holder, all, false, (*exchange).impact},
		{post, v1 + "/publish-requests/{id}/rollback", holder, all, true, (*exchange).rollbackRequest},

		{post, ns + "/rollback", member, events.Publisher, true, (*exchange).rollbackNamespace},
		{post, ns + "/rollback/{key}", member, events.Publisher, true, (*exchange).rollbackEntry},
		{post, v1 + "/revert", holder, all, true, (*exchange).revert},
		{post, v1 + "/promote", holder, all, true, (*exchange).promote},
		{get, v1 + "/diff", holder, all, false, (*exchange).diff},
		{post, v1 + "/validate", holder, all, false, (*exchange).validate},
		{get, v1 + "/access/explain", holder, all, false, (*exchange).explainAccess},
	}
}

// otherRoutes are about everything, or about no namespace.
func otherRoutes() []route {
	return []route{
		{get, v1 + "/webhooks", holder, all, false, (*exchange).listWebhooks},
		{post, v1 + "/webhooks", holder, all, true, (*exchange).createWebhook},
		{get, v1 + "/webhooks/{id}", holder, all, false, (*exchange).getWebhook},
		{put, v1 + "/webhooks/{id}", holder, all, true, (*exchange).putWebhook},
		{del, v1 + "/webhooks/{id}", holder, all, true, (*exchange).deleteWebhook},
		{post, v1 + "/webhooks/{id}/rotate", holder, all, true, (*exchange).rotateWebhook},
		{get, v1 + "/webhooks/{id}/deliveries", holder, all, true, (*exchange).listDeliveries},
		{post, v1 + "/webhooks/{id}/resend", holder, all, true, (*exchange).resendDelivery},

		{get, v1 + "/configs", holder, all, false, (*exchange).listAllEntries},
		{get, v1 + "/search", holder, all, false, (*exchange).search},
		{post, v1 + "/transactions", holder, all, true, (*exchange).transact},
		{get, v1 + "/audit", holder, all, false, (*exchange).audit},
		{get, v1 + "/audit/denied", root, all, false, (*exchange).listDenied},
		{post, v1 + "/audit/erasures", whole, all, true, (*exchange).erase},
		{get, v1 + "/audit/proof", whole, all, false, (*exchange).proof},
		{get, v1 + "/audit/verify", root, all, false, (*exchange).verifyNode},
		{get, v1 + "/audit/checkpoints", holder, all, false, (*exchange).listCheckpoints},
		{post, v1 + "/audit/checkpoints", root, all, true, (*exchange).signCheckpoint},

		{get, replayPath, watcher, all, false, (*exchange).replay},

		{get, watchPath, watcher, all, false, (*exchange).watch},
		{post, v1 + "/watch/tickets", holder, all, false, (*exchange).createTicket},
		{get, v1 + "/watches", holder, all, false, (*exchange).listWatches},

		{get, v1 + "/keys", holder, all, false, (*exchange).listKeys},
		{post, v1 + "/keys", holder, all, true, (*exchange).createKey},
		{del, v1 + "/keys/{id}", holder, all, true, (*exchange).revokeKey},
		{get, v1 + "/whoami", holder, all, false, (*exchange).whoami},

		{get, v1 + "/cluster", root, all, false, (*exchange).cluster},
		{get, v1 + "/cluster/figures", root, all, false, (*exchange).figures},
		{post, v1 + "/cluster/members", root, all, true, (*exchange).addMember},
		{del, v1 + "/cluster/members/{id}", root, all, true, (*exchange).removeMember},
		{post, v1 + "/cluster/transfer-leader", root, all, true, (*exchange).transferLeader},
		{post, v1 + "/cluster/snapshot", root, all, false, (*exchange).snapshot},
		{post, v1 + "/cluster/rebuild", root, all, false, (*exchange).rebuild},
		{get, v1 + "/cluster/backup", whole, all, false, (*exchange).backup},
	}
}
