package api

import (
	"fmt"

	"confman/events"
)

// pastRows are probes of the past: replays, explanations and what was as of an
// event. Whoever asks may see what they may see of the same in the present.
func (w *world) pastRows() matrix {
	at := fmt.Sprintf("?at=%d", w.node.State().Index())
	replay := func(query string, may func(person) bool, shows func(secret, person) bool) probe {
		return probe{path: replayPath + query, accept: "application/x-ndjson", may: may, shows: shows}
	}
	told := func(s secret, p person) bool { return s.told(p) }
	rows := matrix{
		"GET /api/v1/audit/replay": {
			replay("?events=all", everybody, told),
			replay("?events=all&namespace="+here+"&namespace=lobby", visitorsWithin(here), func(s secret, p person) bool {
				return s.kind != "key" && beneath(s.namespace, here) && s.told(p)
			}),
			replay("?speed=1e9&namespace="+vault, visitorsWithin(vault), of(vault, "old", "value", "old comment", "comment", "farewell")),
			replay("?to=1-00000000", everybody, nil),
		},
		"GET /api/v1/namespaces":             {{path: "/api/v1/namespaces" + at, may: everybody, shows: of("", "namespace"), only: []string{"namespace"}}},
		"GET /api/v1/namespaces/{namespace}": {{path: under(here, at), may: visitors(here), shows: of(here, "namespace", "settings")}},
		"GET /api/v1/configs":                {{path: fmt.Sprintf("/api/v1/configs?at=%d", w.first), may: everybody, shows: of("", "old"), only: []string{"value", "old"}}},
		"GET /api/v1/publish-requests/{id}": {
			{path: requestsPath + "/" + w.ids["open "+here] + at, may: on(events.Editor, here, "db/live"), refused: 404, shows: func(s secret, p person) bool {
				return ofOne(here, "db/live", "proposed", "value", "request", "review")(s, p) || ofOne(here, "web/live", "proposed")(s, p)
			}},
			{path: requestsPath + "/" + w.ids["published "+here] + at, may: on(events.Editor, here, "db/published"), refused: 404, shows: ofOne(here, "db/published", "value", "request", "review")},
		},
	}
	rows["GET /api/v1/audit/replay"][3].ends = 409
	for _, noun := range []string{"roles", "schema", "settings"} {
		rows["GET /api/v1/namespaces/{namespace}/"+noun] = []probe{
			{path: under(here, "/"+noun+at), may: visitors(here), shows: of(here, noun), only: []string{noun}},
			{path: under(here, "/"+noun+at+"&resolve=true"), may: visitors(here), shows: func(s secret, p person) bool { return of(here, noun)(s, p) || of(above, noun)(s, p) }},
		}
	}
	explain := "GET /api/v1/namespaces/{namespace}/explain/{key}"
	for _, side := range []string{"db/", "web/"} {
		live, only, published := side+"live", side+"only-teams", side+"published"
		rows[explain] = append(rows[explain],
			probe{path: under(here, "/explain/"+live), may: on(events.Viewer, here, live), shows: ofOne(here, live, "value", "old", "comment", "about")},
			probe{path: under(here, fmt.Sprintf("/explain/%s?at=%d", live, w.first)), may: on(events.Viewer, here, live), shows: ofOne(here, live, "old", "old comment")},
			probe{path: under(here, "/explain/"+side+"gone"), may: on(events.Viewer, here, side+"gone"), shows: ofOne(here, side+"gone", "old", "farewell")},
			probe{path: under(here, "/explain/"+only), may: both(on(events.Viewer, here, only), on(events.Viewer, above, only)), shows: ofOne(above, only, "value", "old")},
			probe{path: under(here, "/explain/"+published), may: on(events.Viewer, here, published), shows: ofOne(here, published, "value", "old", "value comment")},
		)
	}
	return rows
}
