package api

import (
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
)

func TestAPromotionIsARequestForWhatDiffers(t *testing.T) {
	b := newGoverned(t)
	b.put("stage", "a", `2`)
	b.put("stage", "new", `1`)
	b.put("stage", "same", `1`)
	b.put("prod", "a", `1`)
	b.put("prod", "same", `1`)
	b.put("prod", "own", `1`)
	body := wire.Promote{From: "stage", To: "prod", Comment: "release 7"}
	b.writesNothing(func() {
		if c := b.do("POST", "/api/v1/promote?dry_run=true", body).is(200).changes("update prod/a 1>2", "create prod/new >1"); !c.DryRun {
			t.Error("a dry run does not say so")
		}
		with := body
		with.Delete = true
		b.do("POST", "/api/v1/promote?dry_run=true", with).is(200).changes("update prod/a 1>2", "create prod/new >1", "delete prod/own 1>")
		with.Keys = []string{"o*", "a"}
		b.do("POST", "/api/v1/promote?dry_run=true", with).is(200).changes("update prod/a 1>2", "delete prod/own 1>")
		none := wire.Promote{From: "stage", To: "prod", Keys: []string{"same"}}
		if c := b.do("POST", "/api/v1/promote", none).is(200).changes(); c.Request != "" {
			t.Errorf("nothing to promote became request %s", c.Request)
		}
	})
	r := b.do("POST", "/api/v1/promote", body, "Idempotency-Key: 7").is(201)
	c := r.changes("update prod/a 1>2", "create prod/new >1")
	request := b.node.State().Request(c.Request)
	if source := request.Source; source == nil || source.Kind != wire.SourcePromotion || source.Namespace != "stage" || request.Comment != "release 7" || b.value("prod", "a") != "1" {
		t.Errorf("request %+v", request)
	}
	if r.header.Get("Location") != requestsPath+"/"+c.Request {
		t.Errorf("Location %s", r.header.Get("Location"))
	}
	b.writesNothing(func() {
		if again := b.do("POST", "/api/v1/promote", body, "Idempotency-Key: 7").is(201).changes("update prod/a 1>2", "create prod/new >1"); again.Request != c.Request {
			t.Errorf("asked again, it is request %s, not %s", again.Request, c.Request)
		}
		b.do("POST", "/api/v1/promote", body).problem(409, wire.ProblemDraftLocked)
		b.do("POST", "/api/v1/promote?dry_run=true", body).problem(409, wire.ProblemDraftLocked)
	})
}

func TestAPromotionLeavesAloneWhatTheCallerMayNotRead(t *testing.T) {
	b := newGoverned(t)
	b.put("stage", "db/a", `1`)
	b.put("stage", "secret", `1`)
	b.put("prod", "secret", `2`)
	b.put("prod", "also-secret", `2`)
	key := "X-Api-Key: " + decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "p", Grants: []wire.Grant{
		{Namespace: "stage", Role: "viewer", Keys: "db/*"}, {Namespace: "prod", Role: "editor"},
	}})).Key
	body := wire.Promote{From: "stage", To: "prod", Delete: true}
	b.do("POST", "/api/v1/promote", body, key).is(201).changes("create prod/db/a >1")
}

func TestPromotionsThatCannotBe(t *testing.T) {
	b := newGoverned(t)
	b.put("stage", "a", `2`)
	b.put("prod", "a", `1`)
	viewer, some := b.key("v", events.Root, "viewer", ""), b.key("e", "prod", "editor", "")
	for _, test := range []struct {
		body, key string
		status    int
	}{
		{`{"from":"stage","to":"stage"}`, b.root, 400},
		{`{"from":"stage"}`, b.root, 400},
		{`{"from":"stage","to":"prod","keys":[""]}`, b.root, 400},
		{`{"from":"stage","to":"prod","keys":["a**"]}`, b.root, 400},
		{`{"from":"stage","to":"prod","publishAt":"2001-01-01T00:00:00Z"}`, b.root, 400},
		{`{"from":"nowhere","to":"prod"}`, b.root, 404},
		{`{"from":"stage","to":"prod"}`, viewer, 403},
		{`{"from":"stage","to":"prod"}`, some, 403},
	} {
		b.writesNothing(func() {
			if got := b.do("POST", "/api/v1/promote", test.body, by(test.key)); got.status != test.status {
				t.Errorf("%s: %d %s, want %d", test.body, got.status, got.body, test.status)
			}
		})
	}
	narrow := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "n", Grants: []wire.Grant{
		{Namespace: "stage", Role: "viewer"}, {Namespace: "prod", Role: "editor", Keys: "b*"},
	}})).Key
	b.put("prod", "hidden", `1`)
	if p := b.do("POST", "/api/v1/promote", `{"from":"stage","to":"prod","delete":true}`, by(narrow)).problem(403, wire.ProblemForbidden, "entry a"); strings.Contains(p.Detail, "hidden") {
		t.Errorf("%q tells of a key that the caller may not see", p.Detail)
	}
}
