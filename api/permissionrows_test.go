package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"confman/events"
)

// on says who has a role on a key or, without one, on a namespace.
func on(role events.Role, namespace, key string) func(person) bool {
	return func(p person) bool { return p.may(role, namespace, key) }
}

func both(a, b func(person) bool) func(person) bool {
	return func(p person) bool { return a(p) && b(p) }
}

func not(who func(person) bool) func(person) bool { return func(p person) bool { return !who(p) } }

func everybody(person) bool { return true }

func visitors(namespace string) func(person) bool {
	return func(p person) bool { return p.visits(namespace) }
}

// visitorsWithin see something in a namespace or below.
func visitorsWithin(namespace string) func(person) bool {
	return func(p person) bool {
		return slices.ContainsFunc(places(), func(n string) bool { return beneath(n, namespace) && p.visits(n) })
	}
}

// of are the secrets of some kinds in one namespace; "" for any.
func of(namespace string, kinds ...string) func(secret, person) bool {
	return func(s secret, _ person) bool {
		return (namespace == "" || s.namespace == namespace) && slices.Contains(kinds, s.kind)
	}
}

// key are the secrets of some kinds of one key.
func ofOne(namespace, key string, kinds ...string) func(secret, person) bool {
	return func(s secret, p person) bool { return s.key == key && of(namespace, kinds...)(s, p) }
}

// audited are the secrets that the audit of a namespace, "" for any, tells.
func audited(namespace string) func(secret, person) bool {
	inAudit := of(namespace, "old", "value", "old comment", "comment", "farewell", "value comment", "draft", "draft comment",
		"proposed", "proposed comment", "request", "review", "roles", "settings", "schema", "webhook")
	return func(s secret, p person) bool {
		return (inAudit(s, p) || namespace == "" && s.kind == "key") && s.told(p)
	}
}

// auditedWithin is audited with all namespaces below.
func auditedWithin(namespace string) func(secret, person) bool {
	return func(s secret, p person) bool { return beneath(s.namespace, namespace) && audited(s.namespace)(s, p) }
}

func under(namespace, below string) string { return namespacesPath + namespace + below }

type matrix map[string][]probe

// matrixRows are the probes of every route, by method and pattern.
func (w *world) matrixRows() matrix {
	all := matrix{}
	for _, part := range []matrix{nodeRows(), w.readRows(), policyRows(), draftRows(), w.requestRows(), w.changeRows(), w.webhookRows(), accessRows(), w.pastRows(), vaultRows()} {
		for name, probes := range part {
			all[name] = append(all[name], probes...)
		}
	}
	return all
}

// nodeRows are the routes for everybody, and those for admins of everything.
func nodeRows() matrix {
	rows := matrix{}
	for _, path := range []string{"/", "/health", "/health/ready", "/metrics", "/openapi.yaml", "/openapi.json", "/confman.js"} {
		rows["GET "+path] = []probe{{path: path, may: everybody}}
	}
	rows["GET /ui/"] = []probe{{path: "/ui/", may: everybody}}
	rows["GET /ui/{path}"] = []probe{{path: "/ui/browse/teams/pay", may: everybody}}
	rows["GET /dashboard/{path}"] = []probe{{path: "/dashboard/vendor/preact.js", may: everybody}}
	rows["GET /problems/{slug}"] = []probe{{path: "/problems/conflict", may: everybody}}
	rows["GET /auth/session"] = []probe{{path: "/auth/session", may: everybody}}
	rows["POST /auth/session"] = []probe{{path: "/auth/session", body: `{"key":""}`, may: everybody, ends: 400}} // judged by the key in it
	rows["POST /auth/logout"] = []probe{{path: "/auth/logout", may: everybody}}
	for _, name := range []string{"GET /auth/login", "GET /auth/callback", "GET /auth/config"} {
		_, path, _ := strings.Cut(name, " ")
		rows[name] = []probe{{path: path, may: everybody, ends: 404}} // nobody logs in here
	}
	maps.Copy(rows, matrix{
		"GET /debug/pprof/":                    {{path: "/debug/pprof/"}},
		"GET /debug/pprof/{profile}":           {{path: "/debug/pprof/threadcreate?debug=1"}},
		"GET /api/v1/cluster":                  {{path: "/api/v1/cluster"}},
		"GET /api/v1/cluster/figures":          {{path: "/api/v1/cluster/figures"}},
		"POST /api/v1/cluster/members":         {{path: "/api/v1/cluster/members", body: `{"id":"n9","address":"h:1"}`}},
		"DELETE /api/v1/cluster/members/{id}":  {{path: "/api/v1/cluster/members/n9"}},
		"POST /api/v1/cluster/transfer-leader": {{path: "/api/v1/cluster/transfer-leader"}},
		"POST /api/v1/cluster/snapshot":        {{path: "/api/v1/cluster/snapshot"}},
		"POST /api/v1/cluster/rebuild":         {{path: "/api/v1/cluster/rebuild", ends: 409}}, // this server has no disk
		"GET /api/v1/cluster/backup":           {{path: "/api/v1/cluster/backup", may: person.seesAll, ends: 409}},
		"GET /api/v1/audit/denied":             {{path: "/api/v1/audit/denied"}},
		"GET /api/v1/audit/proof":              {{path: "/api/v1/audit/proof", may: person.seesAll, shows: func(secret, person) bool { return true }}},
		"GET /api/v1/audit/verify":             {{path: "/api/v1/audit/verify", ends: 409}}, // this server has no disk
		"GET /api/v1/audit/checkpoints":        {{path: "/api/v1/audit/checkpoints", may: everybody}},
		"POST /api/v1/audit/checkpoints":       {{path: "/api/v1/audit/checkpoints", ends: 409}}, // and no key
		"POST /api/v1/audit/erasures":          {{path: "/api/v1/audit/erasures?dry_run=true", body: `{"namespace":"` + here + `","key":"db/live","version":1,"reason":"leaked"}`, may: person.seesAll}},
	})
	for _, probes := range rows {
		if probes[0].may == nil {
			probes[0].may = person.isRoot
		}
	}
	return rows
}

// readRows are the routes that read what is published.
func (w *world) readRows() matrix {
	rows := matrix{
		"GET /api/v1/namespaces":                {{path: "/api/v1/namespaces", may: everybody, shows: of("", "namespace"), only: []string{"namespace"}}},
		"GET /api/v1/namespaces/{namespace}":    {{path: under(here, ""), may: visitors(here), shows: of(here, "namespace", "settings")}},
		"PUT /api/v1/namespaces/{namespace}":    {{path: under(here, ""), body: `{"owner":"x"}`, may: on(events.Admin, here, "")}},
		"DELETE /api/v1/namespaces/{namespace}": {{path: under(here, ""), may: on(events.Admin, here, ""), ends: 409}}, // drafts are under review
		"GET /api/v1/configs": {{
			path: "/api/v1/configs", may: everybody, shows: of("", "value"), only: []string{"value", "old"},
		}},
		"GET /api/v1/search": {
			{path: "/api/v1/search?in=keys&q=/", may: everybody, shows: of("", "value"), only: []string{"value", "old"}},
			{path: "/api/v1/search?q=/&namespace=" + here, may: everybody, only: []string{"value", "old"}, shows: func(s secret, p person) bool {
				return beneath(s.namespace, here) && of("", "value")(s, p)
			}},
		},
		"GET /api/v1/namespaces/{namespace}/config": {
			{path: under(here, "/config"), may: visitors(here), shows: of(here, "value", "comment", "value comment"), only: []string{"value", "old"}},
			{path: under(here, "/config?prefix=web/"), may: visitors(here), only: []string{"value"}, shows: func(s secret, p person) bool {
				return of(here, "value")(s, p) && strings.HasPrefix(s.key, "web/")
			}},
			{path: under(here, fmt.Sprintf("/config?at=%d", w.first)), may: visitors(here), shows: of(here, "old"), only: []string{"value", "old"}},
			{path: under(here, "/config?resolve=true"), may: visitors(here), only: []string{"value", "old"}, shows: func(s secret, p person) bool {
				return of(here, "value")(s, p) || of(above, "value")(s, p) && strings.Contains(s.key, "only")
			}},
		},
		"GET /api/v1/namespaces/{namespace}/audit": {{path: under(here, "/audit?limit=1000"), may: visitors(here), shows: audited(here)}},
		"GET /api/v1/audit": {
			{path: "/api/v1/audit?limit=1000", may: everybody, shows: audited("")},
			{path: "/api/v1/audit?order=asc", may: everybody, shows: audited(""), accept: "application/x-ndjson"},
			{path: "/api/v1/audit", may: everybody, shows: audited(""), accept: "text/csv"},
			{path: "/api/v1/audit?exact=true&namespace=" + here, may: everybody, shows: audited(here), only: []string{"value", "old", "draft"}},
			{path: "/api/v1/audit?limit=1000&namespace=" + here, may: everybody, shows: auditedWithin(here), only: []string{"value", "old", "draft"}},
			{path: "/api/v1/audit?actor=ann&action=config.deleted", may: everybody, shows: func(s secret, p person) bool {
				return of("", "farewell", "old")(s, p) && strings.HasSuffix(s.key, "gone")
			}},
		},
		"GET /api/v1/diff": {
			{path: "/api/v1/diff?from=" + above + "&to=" + here, may: both(visitors(above), visitors(here)), only: []string{"value", "old"}, shows: func(s secret, p person) bool {
				return (of(above, "value")(s, p) || of(here, "value")(s, p)) && p.may(events.Viewer, above, s.key) && p.may(events.Viewer, here, s.key)
			}},
			{path: fmt.Sprintf("/api/v1/diff?from=%s@%d&to=%s", here, w.first, here), may: visitors(here), shows: of(here, "value", "old"), only: []string{"value", "old"}},
		},
		"GET /api/v1/watch": {
			{path: "/api/v1/watch?after=1-00000000", may: everybody, ends: 409}, // of another history: told to who may watch
			{path: "/api/v1/watch?after=1-00000000&namespace=" + here, may: visitorsWithin(here), ends: 409},
			{path: "/api/v1/watch?after=1-00000000&namespace=" + here + "&namespace=" + besides, may: both(visitorsWithin(here), visitorsWithin(besides)), ends: 409},
		},
		"GET /api/v1/watches": {{path: "/api/v1/watches", may: everybody}},
		"POST /api/v1/watch/tickets": {{
			path: "/api/v1/watch/tickets", body: `{"namespace":"` + here + `"}`,
			may: func(p person) bool { return p.way != byGroup && visitorsWithin(here)(p) },
		}},
	}
	entry, history := "/api/v1/namespaces/{namespace}/config/{key}", "GET /api/v1/namespaces/{namespace}/history/{key}"
	for _, side := range []string{"db/", "web/"} {
		key, only := side+"live", side+"only-teams"
		rows["GET "+entry] = append(rows["GET "+entry],
			probe{path: under(here, "/config/"+key), may: on(events.Viewer, here, key), shows: ofOne(here, key, "value", "comment", "about")},
			probe{path: under(here, fmt.Sprintf("/config/%s?at=%d", key, w.first)), may: on(events.Viewer, here, key), shows: ofOne(here, key, "old")},
			probe{path: under(here, "/config/"+only+"?resolve=true"), may: both(on(events.Viewer, here, only), on(events.Viewer, above, only)), shows: ofOne(above, only, "value")},
		)
		rows["PUT "+entry] = append(rows["PUT "+entry], probe{path: under(here, "/config/"+key), body: `{"value":1}`, may: on(events.Editor, here, key)})
		rows["DELETE "+entry] = append(rows["DELETE "+entry], probe{path: under(here, "/config/"+key), may: on(events.Editor, here, key)})
		rows[history] = append(rows[history],
			probe{path: under(here, "/history/"+key), may: on(events.Viewer, here, key), shows: ofOne(here, key, "value", "old", "comment", "old comment")},
			probe{path: under(here, "/history/"+side+"gone"), may: on(events.Viewer, here, side+"gone"), shows: ofOne(here, side+"gone", "old", "farewell")},
		)
	}
	return rows
}

// policyRows are roles, schemas and settings.
func policyRows() matrix {
	rows := matrix{}
	bad := `{"schema":{"additionalProperties":{"const":1}}}`
	for noun, body := range map[string]string{"roles": `{"grants":[]}`, "schema": `{"schema":null}`, "settings": `{}`} {
		pattern := "/api/v1/namespaces/{namespace}/" + noun
		resolved := func(s secret, p person) bool { return of(here, noun)(s, p) || of(above, noun)(s, p) }
		rows["GET "+pattern] = []probe{
			{path: under(here, "/"+noun), may: visitors(here), shows: of(here, noun), only: []string{noun}},
			{path: under(here, "/"+noun+"?resolve=true"), may: visitors(here), shows: resolved},
			{path: under("%2F", "/"+noun), may: visitors(events.Root)},
		}
		rows["PUT "+pattern] = []probe{
			{path: under(here, "/"+noun), body: body, may: on(events.Admin, here, "")},
			{path: under("%2F", "/"+noun), body: body, may: person.isRoot},
		}
	}
	rows["PUT /api/v1/namespaces/{namespace}/schema"] = append(rows["PUT /api/v1/namespaces/{namespace}/schema"],
		probe{path: under(here, "/schema"), body: bad, may: on(events.Admin, here, ""), ends: 422})
	rows["POST /api/v1/namespaces/{namespace}/schema"] = []probe{
		{path: under(here, "/schema?dry_run=true"), body: bad, may: on(events.Admin, here, "")},
	}
	return rows
}

func draftRows() matrix {
	rows := matrix{"GET /api/v1/namespaces/{namespace}/drafts": {{
		path: under(here, "/drafts"), may: visitors(here), shows: of(here, "draft", "draft comment", "proposed"), only: []string{"draft", "proposed"},
	}}}
	pattern := "/api/v1/namespaces/{namespace}/drafts/{key}"
	for _, key := range []string{"db/idea", "web/idea"} {
		editor := on(events.Editor, here, key)
		rows["GET "+pattern] = append(rows["GET "+pattern], probe{path: under(here, "/drafts/"+key), may: editor, shows: ofOne(here, key, "draft", "draft comment")})
		rows["PUT "+pattern] = append(rows["PUT "+pattern], probe{path: under(here, "/drafts/"+key), body: `{"value":1}`, may: editor})
		rows["DELETE "+pattern] = append(rows["DELETE "+pattern], probe{path: under(here, "/drafts/"+key), may: editor})
	}
	return rows
}

func accessRows() matrix {
	key := func(principal string) string {
		return `{"name":"new","principal":"` + principal + `","grants":[{"namespace":"` + here + `","role":"viewer"}]}`
	}
	return matrix{
		"GET /api/v1/whoami": {{path: "/api/v1/whoami", may: everybody}},
		"GET /api/v1/keys": {{path: "/api/v1/keys", may: everybody, only: []string{"key"}, shows: func(s secret, p person) bool {
			return s.kind == "key" && p.may(events.Admin, s.namespace, "")
		}}},
		"POST /api/v1/keys": {
			{path: "/api/v1/keys", body: key("new"), may: on(events.Admin, here, "")},
			{path: "/api/v1/keys", body: key("rita"), may: person.isRoot}, // whom roles name
		},
		"DELETE /api/v1/keys/{id}": {{path: "/api/v1/keys/key-pay", may: on(events.Admin, here, "")}},
		"POST /api/v1/validate": {
			{path: "/api/v1/validate", body: `{"schema":{},"value":1}`, may: everybody},
			{path: "/api/v1/validate", body: `{"namespace":"` + here + `","changes":[{"key":"db/live","value":1},{"key":"web/live","value":1}]}`, may: both(on(events.Editor, here, "db/live"), on(events.Editor, here, "web/live"))},
		},
		"GET /api/v1/access/explain": {
			{path: "/api/v1/access/explain?principal=rita&namespace=" + here, may: on(events.Admin, here, "")},
			{path: "/api/v1/access/explain?principal=rita&namespace=" + here + "&key=db/live", may: on(events.Admin, here, "")},
			{path: "/api/v1/access/explain?namespace=" + here, may: everybody},
		},
	}
}

// vaultRows are probes of a namespace that is cut off from the roles above.
func vaultRows() matrix {
	return matrix{
		"GET /api/v1/namespaces/{namespace}":               {{path: under(vault, ""), may: visitors(vault)}},
		"GET /api/v1/namespaces/{namespace}/config":        {{path: under(vault, "/config"), may: visitors(vault), shows: of(vault, "value")}},
		"GET /api/v1/namespaces/{namespace}/config/{key}":  {{path: under(vault, "/config/db/live"), may: on(events.Viewer, vault, "db/live")}},
		"PUT /api/v1/namespaces/{namespace}/config/{key}":  {{path: under(vault, "/config/db/live"), body: `{"value":1}`, may: on(events.Editor, vault, "db/live")}},
		"GET /api/v1/namespaces/{namespace}/history/{key}": {{path: under(vault, "/history/db/live"), may: on(events.Viewer, vault, "db/live")}},
		"GET /api/v1/namespaces/{namespace}/audit":         {{path: under(vault, "/audit?limit=1000"), may: visitors(vault), shows: audited(vault)}},
		"GET /api/v1/namespaces/{namespace}/roles":         {{path: under(vault, "/roles?resolve=true"), may: visitors(vault), shows: of(vault, "roles")}},
		"PUT /api/v1/namespaces/{namespace}/roles":         {{path: under(vault, "/roles"), body: `{"grants":[]}`, may: on(events.Admin, vault, "")}},
		"GET /api/v1/namespaces/{namespace}/drafts":        {{path: under(vault, "/drafts"), may: visitors(vault), shows: of(vault, "draft")}},
	}
}
