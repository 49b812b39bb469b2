package events_test

import (
	"strings"
	"testing"
	"time"

	"confman/events"
)

var publishedURL = []fact{
	{"pay", "url", events.ConfigUpdated{Value: text("b"), Version: 3, Comment: "of the draft", Previous: was("a", 2)}},
	{"pay", "", events.RequestPublished{Changed: 1}},
}

// asked is the request r1 by ann of a draft of url by eve, with comments on both.
func asked(changes ...func(*world)) *world {
	return governed(append([]func(*world){
		withDraft("pay", "url", `"b"`, "eve", 40),
		func(w *world) {
			d := w.drafts[url]
			d.Comment = "of the draft"
			w.drafts[url] = d
		},
		withRequest("r1", func(r *events.Request) { r.Comment = "of the request" }, url),
	}, changes...)...)
}

func TestBypass(t *testing.T) {
	bypass := func(by events.Principal, comment string) events.BypassRequest {
		return events.BypassRequest{ID: "r1", By: by, Comment: comment}
	}
	admin := granted("ann", events.Admin, "pay")
	allowed := withSettings("pay", events.Settings{AllowBypass: new(true)})
	strict := withSchema("pay", `{"properties":{"url":{"type":"integer"}}}`)
	bypassed := append([]fact{{"pay", "", events.RequestBypassed{Comment: "fire"}}}, publishedURL...)
	guards := func(policies uint64) []events.Guard {
		return []events.Guard{theRequest("r1", 50), thePolicies(policies), theDraft("pay", "url", 50), theEntry("pay", "url", 9)}
	}
	checkRulings(t, []ruling{
		{name: "by the submitter, an admin", in: asked(allowed), command: bypass(admin, "fire"), facts: bypassed, guards: guards(20)},
		{name: "when frozen", in: asked(allowed, frozen("/")), command: bypass(admin, "fire"), facts: bypassed, guards: guards(21)},
		{name: "without a reason", in: asked(allowed), command: bypass(admin, ""), refused: events.ErrInvalid, says: "comment is empty"},
		{name: "with a bad reason", in: asked(allowed), command: bypass(admin, "\x00"), refused: events.ErrInvalid, says: "comment"},
		{name: "where it is not allowed", in: asked(), command: bypass(admin, "fire"), refused: events.ErrForbidden, says: "namespace pay do not allow a bypass"},
		{name: "by a publisher", in: asked(allowed), command: bypass(granted("bob", events.Publisher, "pay"), "fire"), refused: events.ErrForbidden, says: "bob needs the role admin on pay/url"},
		{name: "by an admin of another key", in: asked(allowed), command: bypass(events.Principal{Name: "x", Grants: []events.Grant{{Namespace: "pay", Role: events.Admin, Keys: "z*"}}}, "fire"), refused: events.ErrForbidden, says: "admin"},
		{name: "against the schema", in: asked(allowed, strict), command: bypass(admin, "fire"), refused: events.ErrSchema, says: "url"},
		{name: "that is not there", in: governed(), command: bypass(admin, "fire"), refused: events.ErrConflict, says: "no open publish request"},
	})
	two := governed(withDraft("pay", "url", `"b"`, "eve", 40), withDraft("web", "site", `1`, "eve", 41), allowed, withRequest("r1", nil, url, site))
	checkVerdicts(t, []verdict{
		{name: "where one of two namespaces does not allow it", in: two, command: bypass(granted("ann", events.Admin, "/"), "fire"), refused: events.ErrForbidden, says: "namespace web do not"},
		{name: "by an admin of one of two", in: two, command: bypass(admin, "fire"), refused: events.ErrForbidden, says: "web/site"},
	})
}

func TestPublishDue(t *testing.T) {
	scheduled := func(due int64) func(*world) {
		return func(w *world) {
			r := w.requests["r1"]
			r.State, r.PublishAt, r.DueAt, r.Revision = events.Scheduled, time.Unix(due, 0), time.Unix(due, 0), 61
			w.requests["r1"] = r
		}
	}
	publisher := withRoles("pay", bobPublishes)
	frozenUntil := func(due int64) func(*world) {
		return func(w *world) {
			r := w.requests["r1"]
			r.State, r.DueAt, r.Revision = events.Scheduled, time.Unix(due, 0), 61
			w.requests["r1"] = r
		}
	}
	ready := func(changes ...func(*world)) *world {
		return asked(append([]func(*world){publisher, approvedBy("r1", "bob"), scheduled(900)}, changes...)...)
	}
	under := func(policies, entry uint64) []events.Guard {
		return []events.Guard{theRequest("r1", 61), thePolicies(policies), theEntry("pay", "url", entry)}
	}
	with := func(guards []events.Guard, more ...events.Guard) []events.Guard { return append(guards, more...) }
	rejected := func(why string) []fact {
		return []fact{{"pay", "", events.RequestRejected{Comment: "not published when it was due: " + why}}}
	}
	published := []fact{publishedURL[0], {"pay", "", events.RequestPublished{Changed: 1, ApprovedBy: []string{"bob"}}}}
	strict := withSchema("pay", `{"properties":{"url":{"type":"integer"}}}`)
	reapproved := ready(strict, approvedBy("r1", "bob"), scheduled(900))
	due := events.PublishDue{ID: "r1"}
	checkRulings(t, []ruling{
		{name: "when it is due", in: ready(), command: due, facts: published, guards: with(under(20, 9), theDraft("pay", "url", 50))},
		{name: "before it is due", in: ready(scheduled(1001)), command: due, guards: []events.Guard{theRequest("r1", 61), thePolicies(20)}},
		{name: "when the freeze that it waits for was lifted", in: ready(frozenUntil(9000)), command: due, facts: published, guards: with(under(20, 9), theDraft("pay", "url", 50))},
		{name: "while it waits for a freeze", in: ready(frozenUntil(2000), frozen("/")), command: due, guards: []events.Guard{theRequest("r1", 61), thePolicies(21)}},
		{name: "before it is approved", in: asked(), command: due, guards: []events.Guard{theRequest("r1", 50), thePolicies(0)}},
		{name: "when it is gone", in: governed(), command: due, refused: events.ErrConflict, says: "no open publish request"},
		{
			name: "when it is frozen then, it waits on", in: ready(frozen("/")), command: due, guards: under(21, 9),
			facts: []fact{{"pay", "", events.RequestScheduled{DueAt: time.Unix(2000, 0).UTC(), Why: "namespace pay is frozen until 1970-01-01T00:33:20Z: sale"}}},
		},
		{
			name: "when the entry changed", in: ready(withEntry("pay", "url", `"x"`, 70)), command: due, guards: under(20, 70),
			facts: rejected("pay/url has 0 of 1 approvals; the approval of bob does not count: what is under review changed since: a live entry or a schema"),
		},
		{
			name: "when more approvals are needed", in: ready(withSettings("pay", events.Settings{MinApprovers: new(2)})), command: due, guards: under(21, 9),
			facts: rejected("pay/url has 1 of 2 approvals"),
		},
		{
			name: "when the schema does not allow it", in: reapproved, command: due, guards: with(under(21, 9), theDraft("pay", "url", 50)),
			facts: rejected(`the schema does not allow it: url is a string, must be an integer`),
		},
		{
			name: "when its draft went with the namespace", command: due, guards: with(under(20, 9), theDraft("pay", "url", 0)),
			in:    ready(func(w *world) { delete(w.drafts, url) }),
			facts: rejected("the draft of pay/url is not the one that was submitted"),
		},
		{
			name: "when its draft is another one", command: due, guards: with(under(20, 9), theDraft("pay", "url", 70)),
			in:    ready(withDraft("pay", "url", `"z"`, "eve", 70)),
			facts: rejected("the draft of pay/url is not the one that was submitted"),
		},
	})
}

func TestPublishingOverAQuotaIsAllowed(t *testing.T) {
	w := governed(withDraft("pay", "new", `"`+strings.Repeat("x", 99)+`"`, "eve", 40), withSettings("/", events.Settings{Quota: &events.Quota{Keys: 1, Bytes: 1}}),
		withRoles("pay", bobPublishes), withRequest("r1", nil, [2]string{"pay", "new"}))
	checkVerdicts(t, []verdict{{name: "with the last approval", in: w, command: events.ApproveRequest{ID: "r1", By: byRoles("bob")}}})
}

// A published rollback says so, entry by entry; a namespace that went comes back.
func TestWhatIsPublished(t *testing.T) {
	gone := [2]string{"gone", "key"}
	w := governed(
		withDraft("pay", "url", `"b"`, "eve", 40), withDraft("pay", "old", "", "eve", 41), withDraft("gone", "key", `"k"`, "eve", 42),
		withRoles("/", bobPublishes),
		withRequest("r1", func(r *events.Request) {
			r.Changes[0].Source = &events.EntrySource{Version: 1, Index: 4}
			r.Comment = "of the request"
		}, url, [2]string{"pay", "old"}, gone),
	)
	_, err := events.Rules{}.Decide(*w, events.ApproveRequest{ID: "r1", By: byRoles("bob")}, testStamp())
	if err != nil {
		t.Fatal(err)
	}
	checkRulings(t, []ruling{{
		name: "all of it", in: w, command: events.ApproveRequest{ID: "r1", By: byRoles("bob")},
		facts: []fact{
			{"", "", events.RequestApproved{Basis: w.requests["r1"].Basis(*w)}},
			{"pay", "url", events.ConfigRolledBack{Value: text("b"), Version: 3, Comment: "of the request", Previous: new(was("a", 2)), Source: events.EntrySource{Version: 1, Index: 4}}},
			{"gone", "", events.NamespaceCreated{NamespaceProperties: events.NamespaceProperties{Owner: "ann"}}},
			{"gone", "key", events.ConfigCreated{Value: text("k"), Version: 4, Comment: "of the request"}},
			{"", "", events.RequestPublished{Changed: 3, ApprovedBy: []string{"bob"}}},
		},
		guards: []events.Guard{
			theRequest("r1", 50), thePolicies(20), theEntry("pay", "url", 9), theEntry("pay", "old", 8), theEntry("gone", "key", 6),
			theDraft("pay", "url", 50), theDraft("pay", "old", 50), theDraft("gone", "key", 50), theNamespace("gone", 7),
		},
	}})
}
