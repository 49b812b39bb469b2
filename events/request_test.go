package events_test

import (
	"testing"
	"time"

	"confman/events"
)

var (
	url  = [2]string{"pay", "url"}
	zone = [2]string{"pay", "zone"}
	eu   = [2]string{"pay/eu", "k"}
	site = [2]string{"web", "site"}
)

func TestSubmitRequest(t *testing.T) {
	urlDraft, zoneDeleted := withDraft("pay", "url", `"b"`, "eve", 40), withDraft("pay", "zone", "", "ann", 41)
	pinned := func(at [2]string) events.Submitted { return events.Submitted{Namespace: at[0], Key: at[1]} }
	given := func(at [2]string, raw string) events.Submitted {
		s := pinned(at)
		s.Content = &events.Content{Value: []byte(raw)}
		return s
	}
	known := func(s events.Submitted, draft uint64) events.Submitted {
		s.Draft = draft
		return s
	}
	submit := func(changes ...events.Submitted) events.SubmitRequest {
		return events.SubmitRequest{ID: "r1", Changes: changes, Comment: "please", Actor: "carol"}
	}
	change := func(at [2]string, draft uint64, editor string) events.Change {
		return events.Change{Namespace: at[0], Key: at[1], Draft: draft, Editor: editor}
	}
	submitted := func(place string, changes ...events.Change) fact {
		return fact{place, "", events.RequestSubmitted{Changes: changes, Comment: "please"}}
	}
	delZone := change(zone, 41, "ann")
	delZone.Delete = true
	at := time.Unix(9000, 0).UTC()
	later := submit(pinned(url))
	later.PublishAt, later.Source = at, &events.ChangeSource{Kind: "promotion", Index: 7}
	deletion := pinned(zone)
	deletion.Delete = true
	isDeletion := change(zone, 0, "carol")
	isDeletion.Delete = true
	checkRulings(t, []ruling{
		{
			name: "a draft of somebody else", in: governed(urlDraft), command: submit(pinned(url)), facts: []fact{submitted("pay", change(url, 40, "eve"))},
			guards: []events.Guard{theDraft("pay", "url", 40), theEntry("pay", "url", 9), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "two, one of them a deletion", in: governed(urlDraft, zoneDeleted), command: submit(pinned(url), pinned(zone)),
			facts: []fact{submitted("pay", change(url, 40, "eve"), delZone)},
			guards: []events.Guard{
				theDraft("pay", "url", 40), theEntry("pay", "url", 9), theDraft("pay", "zone", 41), theEntry("pay", "zone", 5), thePolicies(0), theRequest("r1", 0),
			},
		},
		{
			name: "for later, from elsewhere", in: governed(urlDraft), command: later,
			facts: []fact{{"pay", "", events.RequestSubmitted{
				Changes: []events.Change{change(url, 40, "eve")}, Comment: "please", PublishAt: at, Source: &events.ChangeSource{Kind: "promotion", Index: 7},
			}}},
			guards: []events.Guard{theDraft("pay", "url", 40), theEntry("pay", "url", 9), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "what is given is saved in the same step", in: governed(), command: submit(given(url, `"c"`)),
			facts:  []fact{{"pay", "url", events.DraftSaved{Value: text("c"), Description: "where"}}, submitted("pay", change(url, 0, "carol"))},
			guards: []events.Guard{theDraft("pay", "url", 0), theEntry("pay", "url", 9), theNamespace("pay", 3), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "what is given is the draft already", in: governed(withDraft("pay", "new", `"c"`, "carol", 40)), command: submit(given([2]string{"pay", "new"}, `"c"`)),
			facts:  []fact{submitted("pay", change([2]string{"pay", "new"}, 40, "carol"))},
			guards: []events.Guard{theDraft("pay", "new", 40), theEntry("pay", "new", 0), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "a deletion that is given", in: governed(), command: submit(deletion),
			facts:  []fact{{"pay", "zone", events.DraftSaved{Delete: true}}, submitted("pay", isDeletion)},
			guards: []events.Guard{theDraft("pay", "zone", 0), theEntry("pay", "zone", 5), theNamespace("pay", 3), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "over the draft of somebody else that is known", in: governed(urlDraft), command: submit(known(given(url, `"c"`), 40)),
			facts:  []fact{{"pay", "url", events.DraftSaved{Value: text("c"), Description: "where"}}, submitted("pay", change(url, 0, "carol"))},
			guards: []events.Guard{theDraft("pay", "url", 40), theEntry("pay", "url", 9), theNamespace("pay", 3), thePolicies(0), theRequest("r1", 0)},
		},
		{
			name: "in two namespaces, about the one above", in: governed(urlDraft, withDraft("pay/eu", "k", `1`, "ann", 42)), command: submit(pinned(eu), pinned(url)),
			facts: []fact{submitted("pay", change(eu, 42, "ann"), change(url, 40, "eve"))},
			guards: []events.Guard{
				theDraft("pay/eu", "k", 42), theEntry("pay/eu", "k", 0), theDraft("pay", "url", 40), theEntry("pay", "url", 9), thePolicies(0), theRequest("r1", 0),
			},
		},
		{
			name: "in namespaces with nothing above them", in: governed(urlDraft, withDraft("web", "site", `1`, "ann", 42)), command: submit(pinned(url), pinned(site)),
			facts: []fact{submitted("", change(url, 40, "eve"), change(site, 42, "ann"))},
			guards: []events.Guard{
				theDraft("pay", "url", 40), theEntry("pay", "url", 9), theDraft("web", "site", 42), theEntry("web", "site", 0), thePolicies(0), theRequest("r1", 0),
			},
		},
		{name: "nothing", in: governed(), command: submit(), refused: events.ErrInvalid, says: "changes is empty"},
		{name: "too much", in: governed(), command: submit(make([]events.Submitted, 1001)...), refused: events.ErrTooLarge, says: "1001 changes"},
		{name: "a key twice", in: governed(urlDraft), command: submit(pinned(url), pinned(url)), refused: events.ErrInvalid, says: "changes/1 changes pay/url"},
		{name: "no draft", in: governed(urlDraft), command: submit(pinned(url), pinned(zone)), refused: events.ErrNotFound, says: "pay/zone has no draft"},
		{name: "a draft that moved", in: governed(urlDraft), command: submit(known(pinned(url), 39)), refused: events.ErrConflict, says: "it is at revision 40, not 39"},
		{name: "over the draft of somebody else", in: governed(urlDraft), command: submit(given(url, `"c"`)), refused: events.ErrConflict, says: "has a draft by eve"},
		{name: "under review", in: governed(urlDraft, withRequest("r0", nil, url)), command: submit(pinned(url)), refused: events.ErrLocked, says: "r0"},
		{name: "an ID that is taken", in: governed(urlDraft, withDraft("pay", "zone", `1`, "ann", 41), withRequest("r1", nil, url)), command: submit(pinned(zone)), refused: events.ErrConflict, says: "r1 already"},
		{name: "a deletion of what is gone", in: governed(withDraft("pay", "old", "", "ann", 41)), command: submit(pinned([2]string{"pay", "old"})), refused: events.ErrConflict, says: "does not exist any more"},
		{name: "a value with a deletion", in: governed(), command: submit(func() events.Submitted { s := given(url, `1`); s.Delete = true; return s }()), refused: events.ErrInvalid, says: "changes/0/value"},
		{name: "a bad value", in: governed(), command: submit(given(url, `{`)), refused: events.ErrInvalid, says: "changes/0/value"},
		{name: "a bad key", in: governed(), command: submit(pinned([2]string{"pay", "//"})), refused: events.ErrInvalid, says: "changes/0/key"},
		{
			name: "against the schema", in: governed(urlDraft, withSchema("pay", `{"properties":{"url":{"type":"integer"}}}`)), command: submit(pinned(url)),
			refused: events.ErrSchema, says: "url",
		},
		{
			name: "in spite of a freeze", in: governed(urlDraft, frozen("pay")), command: submit(pinned(url)), facts: []fact{submitted("pay", change(url, 40, "eve"))},
			guards: []events.Guard{theDraft("pay", "url", 40), theEntry("pay", "url", 9), thePolicies(20), theRequest("r1", 0)},
		},
	})
}

// frozen has a freeze around the time of testStamp, until 2000 seconds.
func frozen(ns string) func(*world) {
	return withSettings(ns, events.Settings{Freezes: []events.Freeze{{From: time.Unix(0, 0), Until: time.Unix(2000, 0).UTC(), Reason: "sale"}}})
}

func TestEventsOfARequestBearItsID(t *testing.T) {
	w := governed(withDraft("pay", "url", `"b"`, "eve", 40), withRequest("r1", nil, url), withRoles("pay", events.RoleGrant{Role: events.Publisher, Principal: "bob"}))
	for _, c := range []events.Command{
		events.SubmitRequest{ID: "r1", Actor: "carol", Changes: []events.Submitted{{Namespace: "pay", Key: "zone", Content: &events.Content{Value: []byte(`1`)}}}},
		events.ApproveRequest{ID: "r1", By: byRoles("bob")},
		events.RejectRequest{ID: "r1", By: byRoles("bob"), Comment: "no"},
		events.WithdrawRequest{ID: "r1", By: byRoles("ann")},
	} {
		in := *w
		if s, submit := c.(events.SubmitRequest); submit {
			in.requests = nil
			c = s
		}
		p, err := events.Rules{}.Decide(in, c, testStamp())
		if err != nil || len(p.Bodies) == 0 {
			t.Errorf("%T: %d events, %v", c, len(p.Bodies), err)
		}
		for _, body := range p.Bodies {
			if e, err := events.DecodeEvent(body); err != nil || e.Request != "r1" {
				t.Errorf("%T: %s, %v", c, body, err)
			}
		}
	}
}
