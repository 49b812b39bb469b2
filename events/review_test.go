package events_test

import (
	"slices"
	"testing"
	"time"

	"confman/events"
)

var (
	bobPublishes = events.RoleGrant{Role: events.Publisher, Principal: "bob"}
	danPublishes = events.RoleGrant{Role: events.Publisher, Principal: "dan"}
	sreOfURL     = events.RoleGrant{Role: events.Publisher, Group: "sre", Keys: "url"}
)

// reviewed is the request r1 by ann, of drafts of url by eve and of zone's
// deletion by ann, which needs two approvals. bob and dan are publishers, sre of
// url alone.
func reviewed(changes ...func(*world)) *world {
	return governed(append([]func(*world){
		withDraft("pay", "url", `"b"`, "eve", 40), withDraft("pay", "zone", "", "ann", 41),
		withSettings("pay", events.Settings{MinApprovers: new(2)}),
		withRoles("pay", bobPublishes, danPublishes, sreOfURL),
		withRequest("r1", nil, url, zone),
	}, changes...)...)
}

func apiKey(id, principal, madeBy string, roles bool, grants ...events.Grant) func(*world) {
	return func(w *world) {
		w.keys[id] = events.APIKey{ID: id, Principal: principal, CreatedBy: madeBy, Roles: roles, Grants: grants, Revision: 15}
	}
}

func bearing(w *world, id string) events.Principal { return w.keys[id].Bearer(*w) }

var publishesPay = events.Grant{Namespace: "pay", Role: events.Publisher}

func TestApprove(t *testing.T) {
	approve := func(by events.Principal) events.ApproveRequest {
		return events.ApproveRequest{ID: "r1", By: by, Comment: "fine"}
	}
	approved := func(w *world, groups ...string) fact {
		return fact{"pay", "", events.RequestApproved{Comment: "fine", Groups: groups, Basis: w.requests["r1"].Basis(*w)}}
	}
	first, second := reviewed(), reviewed(approvedBy("r1", "bob"))
	under := []events.Guard{theRequest("r1", 50), thePolicies(21), theEntry("pay", "url", 9), theEntry("pay", "zone", 5)}
	again := []events.Guard{theRequest("r1", 60), thePolicies(21), theEntry("pay", "url", 9), theEntry("pay", "zone", 5)}
	publishes := append(again[:4:4], theDraft("pay", "url", 50), theDraft("pay", "zone", 50))
	changes := []fact{
		{"pay", "url", events.ConfigUpdated{Value: text("b"), Version: 3, Previous: was("a", 2)}},
		{"pay", "zone", events.ConfigDeleted{Version: 2, Previous: was("eu", 1)}},
		{"pay", "", events.RequestPublished{Changed: 2, ApprovedBy: []string{"bob", "dan"}}},
	}
	later := reviewed(approvedBy("r1", "bob"), func(w *world) {
		r := w.requests["r1"]
		r.PublishAt = time.Unix(9000, 0).UTC()
		w.requests["r1"] = r
	})
	cold := reviewed(approvedBy("r1", "bob"), frozen("/"))
	coldGuards := []events.Guard{theRequest("r1", 60), thePolicies(22), theEntry("pay", "url", 9), theEntry("pay", "zone", 5)}
	checkRulings(t, []ruling{
		{name: "the first of two", in: first, command: approve(byRoles("bob")), facts: []fact{approved(first)}, guards: under},
		{name: "the same again", in: second, command: approve(byRoles("bob")), guards: again},
		{name: "in part", in: first, command: approve(byRoles("fay", "sre")), facts: []fact{approved(first, "sre")}, guards: under},
		{name: "the last publishes", in: second, command: approve(byRoles("dan")), facts: append([]fact{approved(second)}, changes...), guards: publishes},
		{
			name: "the last, of one for later", in: later, command: approve(byRoles("dan")), guards: again,
			facts: []fact{approved(later), {"pay", "", events.RequestScheduled{DueAt: time.Unix(9000, 0).UTC()}}},
		},
		{
			name: "the last, when frozen", in: cold, command: approve(byRoles("dan")), guards: coldGuards,
			facts: []fact{approved(cold), {"pay", "", events.RequestScheduled{
				DueAt: time.Unix(2000, 0).UTC(), Why: "namespace pay is frozen until 1970-01-01T00:33:20Z: sale",
			}}},
		},
		{name: "of a request that is not there", in: governed(), command: approve(byRoles("bob")), refused: events.ErrConflict, says: "there is no open publish request r1"},
		{name: "by the submitter", in: reviewed(withRoles("/", events.RoleGrant{Role: events.Admin, Principal: "ann"})), command: approve(byRoles("ann")), refused: events.ErrForbidden, says: "ann submitted it"},
		{name: "by an editor", in: reviewed(withRoles("/", events.RoleGrant{Role: events.Admin, Principal: "eve"})), command: approve(byRoles("eve")), refused: events.ErrForbidden, says: "eve wrote the draft of pay/url"},
		{name: "by an editor by way of root grants", in: reviewed(), command: approve(granted("eve", events.Admin, "/")), refused: events.ErrForbidden, says: "eve wrote"},
		{name: "by somebody else", in: reviewed(), command: approve(byRoles("gil")), refused: events.ErrForbidden, says: "gil needs the role publisher"},
		{name: "with a bad comment", in: reviewed(), command: events.ApproveRequest{ID: "r1", By: byRoles("bob"), Comment: "\x00"}, refused: events.ErrInvalid, says: "comment"},
		{
			name: "when the schema allows it no more", in: reviewed(withSchema("pay", `{"properties":{"url":{"type":"integer"}}}`), approvedBy("r1", "bob")),
			command: approve(byRoles("dan")), refused: events.ErrSchema, says: "url",
		},
	})
}

// Whoever may make API keys must not make themselves a second pair of eyes.
func TestAnAPIKeyIsNoSecondPairOfEyes(t *testing.T) {
	admin := events.Grant{Namespace: "pay", Role: events.Admin}
	for _, tt := range []struct {
		name    string
		keys    []func(*world)
		refused bool
	}{
		{"made by the submitter", []func(*world){apiKey("k9", "ci", "ann", false, publishesPay)}, true},
		{"made by an editor", []func(*world){apiKey("k9", "ci", "eve", false, publishesPay)}, true},
		{"made with a key that the submitter made", []func(*world){apiKey("k8", "x", "ann", false, admin), apiKey("k9", "ci", "x", false, publishesPay)}, true},
		{"made with a key made with a key that an editor made", []func(*world){
			apiKey("k7", "x", "eve", false, admin), apiKey("k8", "y", "x", false, admin), apiKey("k9", "ci", "y", false, publishesPay),
		}, true},
		{"without roles, made by the submitter, who is admin of everything by an older key", []func(*world){
			apiKey("k9", "ci", "ann", false, publishesPay), apiKey("k8", "ann", "", false, events.Grant{Namespace: "/", Role: events.Admin}),
		}, false},
		{"made by the submitter, who is admin of some keys of everything", []func(*world){
			apiKey("k9", "ci", "ann", false, publishesPay), apiKey("k8", "ann", "", false, events.Grant{Namespace: "/", Role: events.Admin, Keys: "db/*"}),
		}, true},
		{"made by somebody else", []func(*world){apiKey("k9", "ci", "gil", false, publishesPay)}, false},
		{"made by somebody else, who has a key with roles from the submitter", []func(*world){
			apiKey("k8", "gil", "ann", true, admin), apiKey("k9", "ci", "gil", false, publishesPay),
		}, false},
		{"with roles, made by the submitter, an admin of everything", []func(*world){apiKey("k9", "bob", "ann", true)}, false},
		{"made by those who made each other's", []func(*world){apiKey("k8", "y", "x", false, admin), apiKey("k9", "x", "y", false, publishesPay)}, false},
	} {
		w := reviewed(tt.keys...)
		want, says := error(nil), ""
		if tt.refused {
			want, says = events.ErrForbidden, "API key"
		}
		_, err := events.Rules{}.Decide(*w, events.ApproveRequest{ID: "r1", By: bearing(w, "k9")}, testStamp())
		checkError(t, tt.name, err, want, says)

		r := w.requests["r1"]
		r.Reviews = []events.Review{{Reviewer: w.keys["k9"].Principal, KeyID: "k9", Approved: true, Basis: r.Basis(*w)}}
		if counts := r.Standing(*w, time.Unix(1000, 0)).Reviews[0]; counts.Counts == tt.refused {
			t.Errorf("%s: an approval counts: %+v", tt.name, counts)
		}
	}
}

// A key that is revoked before a decision is committed has no part in it.
func TestDecisionsGuardTheAPIKeysOfTheirReviews(t *testing.T) {
	w := reviewed(apiKey("k8", "ci", "root", false, publishesPay), apiKey("k9", "bot", "root", false, publishesPay), func(w *world) {
		r := w.requests["r1"]
		r.Reviews = []events.Review{{Reviewer: "ci", KeyID: "k8", Approved: true, Basis: r.Basis(*w)}}
		w.requests["r1"] = r
	})
	due := *w
	due.requests = map[string]events.Request{"r1": w.requests["r1"]}
	scheduled := due.requests["r1"]
	scheduled.State = events.Scheduled
	due.requests["r1"] = scheduled
	for name, tt := range map[string]struct {
		in      world
		command events.Command
		guards  []events.Guard
	}{
		"the last approval": {*w, events.ApproveRequest{ID: "r1", By: bearing(w, "k9")}, []events.Guard{theKey("k8", 15), theKey("k9", 15)}},
		"publishing later":  {due, events.PublishDue{ID: "r1"}, []events.Guard{theKey("k8", 15)}},
	} {
		p, err := events.Rules{}.Decide(tt.in, tt.command, testStamp())
		for _, g := range tt.guards {
			if err != nil || !slices.Contains(p.Guards, g) {
				t.Errorf("%s: guards %+v, %v, want %+v too", name, p.Guards, err, g)
			}
		}
	}
}

// An approval is for what was looked at, and by somebody who may still give it.
func TestWhatVoidsAnApproval(t *testing.T) {
	withKey := apiKey("k9", "ci", "root", false, publishesPay)
	keyed := func(w *world) {
		r := w.requests["r1"]
		r.Reviews = []events.Review{{Reviewer: "ci", KeyID: "k9", Approved: true, Basis: r.Basis(*w)}}
		w.requests["r1"] = r
	}
	grouped := func(w *world) {
		r := w.requests["r1"]
		r.Reviews = []events.Review{{Reviewer: "fay", Groups: []string{"sre"}, Approved: true, Basis: r.Basis(*w)}}
		w.requests["r1"] = r
	}
	reviews := func(all ...events.Review) func(*world) {
		return func(w *world) {
			r := w.requests["r1"]
			for _, review := range all {
				review.Basis += r.Basis(*w)
				r.Reviews = append(r.Reviews, review)
			}
			w.requests["r1"] = r
		}
	}
	key := func(change func(*events.APIKey)) func(*world) {
		return func(w *world) {
			k := w.keys["k9"]
			change(&k)
			w.keys["k9"] = k
		}
	}
	for _, tt := range []struct {
		name   string
		w      *world
		counts bool
		why    string
		have   [2]int // of url and zone
	}{
		{"nothing", reviewed(approvedBy("r1", "bob")), true, "", [2]int{1, 1}},
		{"a schema elsewhere", reviewed(approvedBy("r1", "bob"), withSchema("web", `true`)), true, "", [2]int{1, 1}},
		{"another key", reviewed(approvedBy("r1", "bob"), withEntry("pay", "other", `1`, 70)), true, "", [2]int{1, 1}},
		{"other settings", reviewed(approvedBy("r1", "bob"), withSettings("pay", events.Settings{})), true, "", [2]int{1, 1}},
		{"a live entry", reviewed(approvedBy("r1", "bob"), withEntry("pay", "url", `"x"`, 70)), false, "changed since", [2]int{}},
		{"a schema", reviewed(approvedBy("r1", "bob"), withSchema("pay", `true`)), false, "changed since", [2]int{}},
		{"a schema above", reviewed(approvedBy("r1", "bob"), withSchema("/", `true`)), false, "changed since", [2]int{}},
		{"the role taken", reviewed(approvedBy("r1", "bob"), withRoles("pay", danPublishes)), false, "lost the role", [2]int{}},
		{"less of a role", reviewed(approvedBy("r1", "bob"), withRoles("pay", events.RoleGrant{Role: events.Editor, Principal: "bob"})), false, "lost the role", [2]int{}},
		{"the role on one key left", reviewed(approvedBy("r1", "bob"), withRoles("pay", events.RoleGrant{Role: events.Publisher, Principal: "bob", Keys: "zo*"})), true, "not everywhere", [2]int{0, 1}},
		{"the role cut off", reviewed(withRoles("pay"), withRoles("/", bobPublishes), approvedBy("r1", "bob"), policy("pay", func(p *events.Policy) { p.Roles.Inherit = new(false) })), false, "lost the role", [2]int{}},
		{"a role from above", reviewed(withRoles("pay"), withRoles("/", bobPublishes), approvedBy("r1", "bob")), true, "", [2]int{1, 1}},
		{"a group's role", reviewed(grouped), true, "not everywhere", [2]int{1, 0}},
		{"an API key", reviewed(withKey, keyed), true, "", [2]int{1, 1}},
		{"an API key that was revoked", reviewed(withKey, keyed, key(func(k *events.APIKey) { k.RevokedAt = time.Unix(1, 0) })), false, "was revoked", [2]int{}},
		{"an API key that expired", reviewed(withKey, keyed, key(func(k *events.APIKey) { k.ExpiresAt = time.Unix(1000, 0) })), false, "expired", [2]int{}},
		{"an API key with fewer grants", reviewed(withKey, keyed, key(func(k *events.APIKey) { k.Grants = nil })), false, "lost the role", [2]int{}},
		{"what the principal has by its name, without roles on the key", reviewed(apiKey("k9", "bob", "root", false, events.Grant{Namespace: "web", Role: events.Viewer}), func(w *world) {
			r := w.requests["r1"]
			r.Reviews = []events.Review{{Reviewer: "bob", KeyID: "k9", Approved: true, Basis: r.Basis(*w)}}
			w.requests["r1"] = r
		}), false, "lost the role", [2]int{}},
		{"the submitter's", reviewed(approvedBy("r1", "ann")), false, "ann submitted it", [2]int{}},
		{"the editor's", reviewed(approvedBy("r1", "eve")), false, "eve wrote the draft", [2]int{}},
		{"a rejection", reviewed(reviews(events.Review{Reviewer: "bob"})), false, "it rejects", [2]int{}},
		{"a newer one", reviewed(reviews(events.Review{Reviewer: "bob", Approved: true}, events.Review{Reviewer: "bob", Approved: true})), false, "reviewed it again", [2]int{1, 1}},
	} {
		s := tt.w.requests["r1"].Standing(*tt.w, time.Unix(1000, 0))
		if got := s.Reviews[0]; got.Counts != tt.counts || !contains(got.Why, tt.why) || tt.why == "" && got.Why != "" {
			t.Errorf("%s: %+v, want %v, %q", tt.name, got, tt.counts, tt.why)
		}
		if got := [2]int{s.Changes[0].Have, s.Changes[1].Have}; got != tt.have {
			t.Errorf("%s: %v approvals, want %v", tt.name, got, tt.have)
		}
	}
}

// One who approves again after the approval was voided approves what is there
// now; partial reviewers add up.
func TestApprovalsAddUp(t *testing.T) {
	voided := reviewed(approvedBy("r1", "bob"), withEntry("pay", "url", `"x"`, 70))
	p, err := events.Rules{}.Decide(*voided, events.ApproveRequest{ID: "r1", By: byRoles("bob")}, testStamp())
	if err != nil || len(p.Bodies) != 1 {
		t.Errorf("after it was voided, an approval is %d events, %v", len(p.Bodies), err)
	}
	narrow := []events.RoleGrant{
		{Role: events.Publisher, Group: "of-url", Keys: "url"}, {Role: events.Publisher, Group: "of-zone", Keys: "zone"}, bobPublishes,
	}
	in := func(reviewers ...events.Review) *world {
		w := reviewed(withRoles("pay", narrow...))
		r := w.requests["r1"]
		for _, review := range reviewers {
			review.Approved, review.Basis = true, r.Basis(*w)
			r.Reviews = append(r.Reviews, review)
		}
		w.requests["r1"] = r
		return w
	}
	ofURL, ofZone := events.Review{Reviewer: "u", Groups: []string{"of-url"}}, events.Review{Reviewer: "z", Groups: []string{"of-zone"}}
	for _, tt := range []struct {
		name      string
		w         *world
		by        events.Principal
		publishes bool
	}{
		{"one of each and one of all", in(ofURL, ofZone), byRoles("bob"), true},
		{"one of url and one of all", in(ofURL), byRoles("bob"), false},
		{"two of url and one of all", in(ofURL, events.Review{Reviewer: "u2", Groups: []string{"of-url"}}), byRoles("bob"), false},
		{"one of all and one of url, then zone too", in(events.Review{Reviewer: "bob"}, ofURL), byRoles("u", "of-url", "of-zone"), true},
		{"the same one twice", in(events.Review{Reviewer: "bob"}), byRoles("bob"), false},
	} {
		stamp := testStamp()
		p, err := events.Rules{}.Decide(*tt.w, events.ApproveRequest{ID: "r1", By: tt.by}, stamp)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		last := events.Data(nil)
		for _, f := range factsOf(t, p, stamp) {
			last = f.data
		}
		if _, published := last.(events.RequestPublished); published != tt.publishes {
			t.Errorf("%s: ends with %T", tt.name, last)
		}
	}
}

// Every namespace of a request asks for its own number.
func TestEachNamespaceHasItsNumberOfApprovers(t *testing.T) {
	w := governed(withDraft("pay", "url", `"b"`, "ann", 40), withDraft("web", "site", `1`, "ann", 41),
		withSettings("/", events.Settings{MinApprovers: new(2)}), withSettings("web", events.Settings{Inherit: new(false)}),
		withRoles("/", bobPublishes), withRequest("r1", nil, url, site), approvedBy("r1", "bob"))
	s := w.requests["r1"].Standing(*w, time.Unix(1000, 0))
	if s.Changes[0] != (events.Approved{Have: 1, Need: 2}) || s.Changes[1] != (events.Approved{Have: 1, Need: 1}) || s.Complete() {
		t.Errorf("%+v", s)
	}
}

func TestRejectAndWithdraw(t *testing.T) {
	reject := func(who string, comment string) events.RejectRequest {
		return events.RejectRequest{ID: "r1", By: byRoles(who), Comment: comment}
	}
	withdraw := func(by events.Principal) events.WithdrawRequest {
		return events.WithdrawRequest{ID: "r1", By: by, Comment: "later"}
	}
	guards := []events.Guard{theRequest("r1", 50), thePolicies(21)}
	scheduled := reviewed(func(w *world) {
		r := w.requests["r1"]
		r.State = events.Scheduled
		w.requests["r1"] = r
	})
	checkRulings(t, []ruling{
		{name: "rejected", in: reviewed(), command: reject("bob", "no"), facts: []fact{{"pay", "", events.RequestRejected{Comment: "no"}}}, guards: guards},
		{name: "rejected although it is scheduled", in: scheduled, command: reject("bob", "no"), facts: []fact{{"pay", "", events.RequestRejected{Comment: "no"}}}, guards: guards},
		{name: "rejected without a word", in: reviewed(), command: reject("bob", ""), refused: events.ErrInvalid, says: "comment is empty"},
		{name: "rejected with a bad word", in: reviewed(), command: reject("bob", "\x00"), refused: events.ErrInvalid, says: "comment"},
		{name: "rejected by the submitter", in: reviewed(), command: reject("ann", "no"), refused: events.ErrForbidden, says: "ann submitted it"},
		{name: "rejected by somebody else", in: reviewed(), command: reject("gil", "no"), refused: events.ErrForbidden, says: "publisher"},
		{name: "rejected and not there", in: governed(), command: reject("bob", "no"), refused: events.ErrConflict, says: "no open publish request"},
		{name: "withdrawn", in: reviewed(), command: withdraw(byRoles("ann")), facts: []fact{{"pay", "", events.RequestWithdrawn{Comment: "later"}}}, guards: guards},
		{name: "withdrawn by an admin of all of it", in: reviewed(), command: withdraw(granted("gil", events.Admin, "pay")), facts: []fact{{"pay", "", events.RequestWithdrawn{Comment: "later"}}}, guards: guards},
		{name: "withdrawn by a reviewer", in: reviewed(), command: withdraw(byRoles("bob")), refused: events.ErrForbidden, says: "is withdrawn by ann"},
		{
			name: "withdrawn by an admin of some of it", in: reviewed(), refused: events.ErrForbidden, says: "admin of all",
			command: withdraw(events.Principal{Name: "gil", Grants: []events.Grant{{Namespace: "pay", Role: events.Admin, Keys: "url"}}}),
		},
		{name: "withdrawn with a bad word", in: reviewed(), command: events.WithdrawRequest{ID: "r1", By: byRoles("ann"), Comment: "\x00"}, refused: events.ErrInvalid, says: "comment"},
		{name: "withdrawn and not there", in: governed(), command: withdraw(byRoles("ann")), refused: events.ErrConflict, says: "no open publish request"},
	})
}
