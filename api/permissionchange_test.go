package api

import (
	"fmt"

	"confman/events"
)

// requestRows are the routes of publish requests. Nobody in the matrix submitted
// one of them.
func (w *world) requestRows() matrix {
	const pattern = "/api/v1/publish-requests"
	open, mixed, rejected := pattern+"/"+w.ids["open "+here], pattern+"/"+w.ids["mixed "+above], pattern+"/"+w.ids["rejected "+here]
	edits := on(events.Editor, here, "db/live")
	editsMixed := func(p person) bool {
		return p.may(events.Editor, here, "db/mixed") || p.may(events.Editor, besides, "db/mixed") || p.may(events.Editor, vault, "db/mixed")
	}
	everything := both(on(events.Admin, here, "db/live"), on(events.Admin, here, "web/live"))
	listed := func(namespace string) func(secret, person) bool {
		return func(s secret, p person) bool {
			return s.edits != nil && s.edits(p) && (namespace == "" || beneath(s.namespace, namespace))
		}
	}
	draft := func(namespace, key string) string { return `{"namespace":"` + namespace + `","key":"` + key + `"}` }
	word := func(verb, body string, may func(person) bool) []probe {
		return []probe{{path: open + verb, body: body, may: may, unseen: not(edits)}}
	}
	return matrix{
		"GET " + pattern: {
			{path: pattern, may: everybody, shows: listed(""), only: []string{"request", "review"}},
			{path: pattern + "?mine=true", may: everybody, shows: func(secret, person) bool { return false }, only: []string{"request", "review", "proposed"}},
			{path: pattern + "?state=open,rejected", may: everybody, ends: 400},
			{path: pattern + "?state=open", may: everybody, shows: of("", "none"), only: []string{"value comment"}},
		},
		"POST " + pattern: {
			{path: pattern, body: draft(here, "db/idea"), may: on(events.Editor, here, "db/idea")},
			{path: pattern, body: draft(here, "web/idea"), may: on(events.Editor, here, "web/idea")},
			{path: pattern, body: `{"changes":[` + draft(here, "db/idea") + `,` + draft(besides, "db/idea") + `]}`, may: both(on(events.Editor, here, "db/idea"), on(events.Editor, besides, "db/idea"))},
		},
		"GET " + pattern + "/{id}": {
			{path: open, may: edits, refused: 404, shows: func(s secret, p person) bool {
				return ofOne(here, "db/live", "proposed", "value")(s, p) || ofOne(here, "web/live", "proposed")(s, p) || ofOne(here, "db/live", "request", "review")(s, p)
			}},
			{path: mixed, may: editsMixed, refused: 404, shows: func(s secret, _ person) bool { return s.kind == "proposed" && s.key == "db/mixed" }},
			{path: rejected, may: on(events.Editor, here, "db/refused"), refused: 404, shows: func(s secret, p person) bool {
				return ofOne(here, "db/refused", "proposed", "request", "review")(s, p)
			}},
		},
		"GET " + pattern + "/{id}/impact": {
			{path: open + "/impact", may: edits, refused: 404, shows: ofOne(here, "db/live", "proposed")},
			{path: mixed + "/impact", may: editsMixed, refused: 404},
		},
		"POST " + pattern + "/{id}/approve": append(word("/approve", `{}`, on(events.Publisher, here, "db/live")), probe{
			path: mixed + "/approve", may: func(p person) bool {
				return p.may(events.Publisher, here, "db/mixed") || p.may(events.Publisher, besides, "db/mixed") || p.may(events.Publisher, vault, "db/mixed")
			}, unseen: not(editsMixed),
		}),
		"POST " + pattern + "/{id}/reject":   word("/reject", `{"comment":"no"}`, on(events.Publisher, here, "db/live")),
		"POST " + pattern + "/{id}/withdraw": word("/withdraw", `{}`, everything),
		"POST " + pattern + "/{id}/bypass":   word("/bypass", `{"comment":"now"}`, everything),
		"POST " + pattern + "/{id}/rollback": {{
			path: pattern + "/" + w.ids["published "+here] + "/rollback",
			may:  both(on(events.Publisher, here, "db/published"), on(events.Publisher, here, "web/published")), unseen: not(on(events.Editor, here, "db/published")),
		}},
	}
}

// changeRows are the other routes that change values.
func (w *world) changeRows() matrix {
	const rollback = "POST /api/v1/namespaces/{namespace}/rollback"
	back := fmt.Sprintf(`{"toIndex":%d}`, w.first)
	published := both(on(events.Publisher, here, "db/published"), on(events.Publisher, here, "web/published"))
	rows := matrix{
		rollback: {
			{path: under(here, "/rollback"), body: back, may: on(events.Publisher, here, "")},
			{path: under(here, "/rollback?dry_run=true"), body: back, may: on(events.Publisher, here, ""), shows: of(here, "value", "old")},
		},
		"POST /api/v1/revert": {{
			path: "/api/v1/revert", body: `{"request":"` + w.ids["published "+here] + `"}`, may: published, unseen: not(on(events.Editor, here, "db/published")),
		}},
		"POST /api/v1/transactions": {
			{
				path: "/api/v1/transactions", body: `{"if":[{"namespace":"` + here + `","key":"web/live","version":2}],"set":[{"namespace":"` + here + `","key":"db/new","value":1}]}`,
				may: both(on(events.Viewer, here, "web/live"), on(events.Editor, here, "db/new")),
			},
			{
				path: "/api/v1/transactions", body: `{"if":[{"namespace":"` + here + `","key":"db/live","version":2}],"set":[{"namespace":"` + here + `","key":"db/new","value":1}]}`,
				may: both(on(events.Viewer, here, "db/live"), on(events.Editor, here, "db/new")),
			},
			{
				path: "/api/v1/transactions", body: `{"if":[{"namespace":"` + here + `","index":1}],"set":[{"namespace":"` + here + `","key":"db/new","value":1}]}`,
				may: both(on(events.Viewer, here, ""), on(events.Editor, here, "db/new")), ends: 409,
			},
			{
				path: "/api/v1/transactions", body: `{"set":[{"namespace":"` + here + `","key":"db/new","value":1},{"namespace":"` + besides + `","key":"db/new","value":1}]}`,
				may: both(on(events.Editor, here, "db/new"), on(events.Editor, besides, "db/new")),
			},
		},
	}
	for _, side := range []string{"db/", "web/"} {
		key, only := side+"live", side+"only-ops"
		rows[rollback+"/{key}"] = append(rows[rollback+"/{key}"],
			probe{path: under(here, "/rollback/"+key), body: `{"toVersion":1}`, may: on(events.Publisher, here, key), shows: ofOne(here, key, "value", "old")})
		rows["POST /api/v1/revert"] = append(rows["POST /api/v1/revert"],
			probe{path: "/api/v1/revert", body: fmt.Sprintf(`{"index":%d}`, w.revised[key]), may: on(events.Publisher, here, key), shows: ofOne(here, key, "value", "old")})
		rows["POST /api/v1/transactions"] = append(rows["POST /api/v1/transactions"],
			probe{path: "/api/v1/transactions", body: `{"set":[{"namespace":"` + here + `","key":"` + key + `","value":1}]}`, may: on(events.Editor, here, key)},
			probe{path: "/api/v1/transactions", body: `{"delete":[{"namespace":"` + here + `","key":"` + key + `"}]}`, may: on(events.Editor, here, key)})
		// What somebody may not read where it comes from is left alone.
		for _, dry := range []string{"", "?dry_run=true"} {
			rows["POST /api/v1/promote"] = append(rows["POST /api/v1/promote"], probe{
				path: "/api/v1/promote" + dry, body: `{"from":"` + besides + `","to":"` + here + `","keys":["` + only + `"]}`,
				may: func(p person) bool {
					reads, edits := p.may(events.Viewer, besides, only), p.may(events.Editor, here, only)
					return p.visits(besides) && p.may(events.Editor, here, "db/x") && (edits || !reads)
				}, shows: ofOne(besides, only, "value"), only: []string{"value"},
			})
		}
	}
	return rows
}

func (w *world) webhookRows() matrix {
	const pattern = "/api/v1/webhooks"
	admin, one := on(events.Admin, here, ""), pattern+"/"+w.ids["hook "+here]
	probes := func(path, body string) []probe {
		return []probe{{path: one + path, body: body, may: admin, refused: 404}}
	}
	return matrix{
		"GET " + pattern: {{path: pattern, may: everybody, shows: of("", "webhook"), only: []string{"webhook"}}},
		"POST " + pattern: {
			{path: pattern, body: `{"url":"https://x.example","namespace":"` + here + `"}`, may: admin},
			{path: pattern, body: `{"url":"https://x.example","namespace":"/"}`, may: person.isRoot},
		},
		"GET " + pattern + "/{id}":            {{path: one, may: admin, refused: 404, shows: of(here, "webhook")}},
		"PUT " + pattern + "/{id}":            probes("", `{"disabled":true}`),
		"DELETE " + pattern + "/{id}":         probes("", ""),
		"POST " + pattern + "/{id}/rotate":    probes("/rotate", ""),
		"GET " + pattern + "/{id}/deliveries": probes("/deliveries", ""),
		"POST " + pattern + "/{id}/resend":    probes("/resend", `{"index":5}`),
	}
}
