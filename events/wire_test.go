package events_test

import (
	"bytes"
	"strings"
	"testing"

	"confman/events"
)

// What leaves the cluster says everything but the digests of keys and, where
// they are not wanted, the values.
func TestTheWireLeavesOutWhatItMust(t *testing.T) {
	for _, tt := range []struct {
		golden  string
		values  bool
		lacks   []string
		retains []string
	}{
		{"config.updated.1", true, nil, []string{`"value":-0.50e+3`, `"value":"AAE="`}},
		{"config.updated.1", false, []string{`"value"`}, []string{`"version":8`, `"version":7`, `"comment":"why"`, `"type":"number"`}},
		{"config.created.1", false, []string{`"value"`}, []string{`"version":`}},
		{"config.deleted.1", false, []string{`"value"`}, []string{`"version":`}},
		{"key.created.1", true, []string{"digest", "2bb80d53"}, []string{`"name":"deploys"`, `"grants"`}},
		{"key.created.1", false, []string{"digest", "2bb80d53"}, []string{`"name":"deploys"`}},
		{"config.rolled-back.1", true, nil, []string{`"value":"a"`, `"value":"b"`}},
		{"config.rolled-back.1", false, []string{`"value"`}, []string{`"version":4`, `"version":3`, `"source":{"version":1,"index":30}`, `"tags"`}},
		{"draft.saved.1", true, nil, []string{`"value":"b"`}},
		{"draft.saved.1", false, []string{`"value"`}, []string{`"type":"string"`, `"comment":"why"`}},
		{"webhook.created.1", true, []string{"secret", "whsec"}, []string{`"url"`, `"id":"w1"`}},
		{"webhook.created.1", false, []string{"secret", "whsec"}, []string{`"url"`}},
		{"webhook.updated.1", true, []string{"secret", "whsec"}, []string{`"url"`, `"reason"`}},
		{"namespace.settings-changed.1", false, nil, []string{`"minApprovers":2`, `"reason":"holidays"`}},
		{"publish-request.submitted.1", false, nil, []string{`"draft":41`, `"editor":"eve"`}},
	} {
		body := golden(t, tt.golden+".json")
		r := events.Record{Index: 7, Body: body}
		got, err := r.AppendWire(nil, tt.values)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range tt.lacks {
			if strings.Contains(string(got), text) {
				t.Errorf("%s, values %v: has %s: %s", tt.golden, tt.values, text, got)
			}
		}
		for _, text := range tt.retains {
			if !strings.Contains(string(got), text) {
				t.Errorf("%s, values %v: lacks %s: %s", tt.golden, tt.values, text, got)
			}
		}
		if !bytes.Equal(r.Body, body) {
			t.Errorf("%s: the record itself was changed", tt.golden)
		}
	}
}

func TestWhoIsShownWhichEvents(t *testing.T) {
	for name, want := range map[string]events.Role{
		"config.updated.1": events.Viewer, "namespace.roles-changed.1": events.Viewer, "publish-request.submitted.1": events.Viewer,
		"draft.saved.1": events.Editor, "draft.discarded.1": events.Editor, "webhook.created.1": events.Admin, "webhook.advanced.1": events.Admin,
		"key.created.1": events.Admin, "cluster.formed.1": events.Admin,
	} {
		e := goldenEvents[name]
		if got := e.Reader(); got != want {
			t.Errorf("%s is for a %s, want %s", name, got, want)
		}
		place := e.Namespace
		if place == "" {
			place = events.Root
		}
		if !e.ShownTo(granted("x", want, place)) || e.ShownTo(granted("x", want-1, place)) || e.ShownTo(granted("x", events.Admin, "elsewhere")) {
			t.Errorf("%s is not shown to exactly those who are %s on %s", name, want, place)
		}
	}
	global := events.Event{Data: events.RequestWithdrawn{}}
	if global.ShownTo(granted("x", events.Admin, "pay")) || !global.ShownTo(granted("x", events.Admin, "/")) {
		t.Error("what is about everything is not for admins of everything alone")
	}
}

func TestWhatTakesRights(t *testing.T) {
	for name, e := range goldenEvents {
		want := name == "key.revoked.1" || name == "namespace.roles-changed.1" || name == "namespace.deleted.1"
		if got := events.TakesRights(e.Data); got != want {
			t.Errorf("%s takes rights: %v", name, got)
		}
	}
}
