package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"confman/api/client"
	"confman/api/wire"
)

// trial is what an operation is tried with.
type trial struct {
	context.Context
	*client.Client
	r client.Read
	w client.Write
}

// operation is a method of the Client, what it asks for, and what it answers
// with.
type operation struct {
	name   string
	do     func(x trial) (any, error)
	asks   string // method, path and query
	says   string // the body
	status int    // 0: 200
	answer any
}

// rows are those of a list, up to an error.
func rows[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for row, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, row)
	}
	return all, nil
}

var (
	rule    = json.RawMessage(`{"type":"object"}`)
	held    = wire.Draft{Namespace: "teams/pay", Key: "db/url", Value: json.RawMessage(`"a"`), Revision: 41}
	pending = wire.PublishRequest{ID: "R1", State: wire.RequestPending, SubmittedBy: "ann", Index: 42}
	undone  = wire.Changed{Changes: []wire.ValueChange{{Namespace: "pay", Key: "a", Action: wire.ActionUpdate, Old: json.RawMessage(`1`), New: json.RawMessage(`2`)}}, Index: 43}
	hook    = wire.Webhook{ID: "W1", URL: "https://hooks.example/in", Namespace: "pay", Events: []string{"config"}, Secret: "whsec_x"}
)

func reads() []operation {
	roles := wire.Roles{Grants: []wire.RoleGrant{{Role: wire.RoleAdmin, Group: "ops", From: "/"}}, Origin: wire.Origin{Namespace: "/", Index: 7}}
	access := wire.AccessExplanation{Principal: "ann", Namespace: "pay", Role: wire.RoleEditor, Reasons: []wire.AccessReason{{Role: wire.RoleEditor, Source: "role", Namespace: "/", Counts: true}}}
	return []operation{
		{"Roles", func(x trial) (any, error) { return x.Roles(x, "/", true, x.r) }, "GET /api/v1/namespaces/%2F/roles?resolve=true", "", 0, roles},
		{"Roles, its own", func(x trial) (any, error) { return x.Roles(x, "a/b", false, x.r) }, "GET /api/v1/namespaces/a%2Fb/roles", "", 0, wire.Roles{}},
		{"Schema", func(x trial) (any, error) { return x.Schema(x, "a/b", true, x.r) }, "GET /api/v1/namespaces/a%2Fb/schema?resolve=true", "", 0, wire.Schema{Schema: rule}},
		{"Settings", func(x trial) (any, error) { return x.Settings(x, "/", true, x.r) }, "GET /api/v1/namespaces/%2F/settings?resolve=true", "", 0, wire.Settings{MinApprovers: new(2)}},
		{"ExplainAccess", func(x trial) (any, error) {
			return x.ExplainAccess(x, "ann", []string{"ops", "a b"}, "pay", "db/url", x.r)
		}, "GET /api/v1/access/explain?group=ops&group=a+b&key=db%2Furl&namespace=pay&principal=ann", "", 0, access},
		{"Drafts", func(x trial) (any, error) { return rows(x.Drafts(x, "teams/pay", "db/", x.r)) }, "GET /api/v1/namespaces/teams%2Fpay/drafts?prefix=db%2F", "", 0, []wire.Draft{held}},
		{"Draft", func(x trial) (any, error) { return x.Draft(x, "teams/pay", "db/url", x.r) }, "GET /api/v1/namespaces/teams%2Fpay/drafts/db%2Furl", "", 0, held},
		{"Requests", func(x trial) (any, error) {
			return rows(x.Requests(x, client.RequestQuery{State: "open", Namespace: "a/b", Mine: true}, x.r))
		}, "GET /api/v1/publish-requests?mine=true&namespace=a%2Fb&state=open", "", 0, []wire.PublishRequest{pending}},
		{"Requests, all", func(x trial) (any, error) { return rows(x.Requests(x, client.RequestQuery{}, x.r)) }, "GET /api/v1/publish-requests", "", 0, []wire.PublishRequest(nil)},
		{"Request", func(x trial) (any, error) { return x.Request(x, "R1", x.r) }, "GET /api/v1/publish-requests/R1", "", 0, pending},
		{"Impact", func(x trial) (any, error) { return x.Impact(x, "R1", x.r) }, "GET /api/v1/publish-requests/R1/impact", "", 0, wire.Impact{Request: "R1", Watches: 3}},
		{"Diff", func(x trial) (any, error) { return x.Diff(x, "a/b@7-9f3c2a1b", "/c", x.r) }, "GET /api/v1/diff?from=a%2Fb%407-9f3c2a1b&to=%2Fc", "", 0, wire.Diff{Equal: 4}},
		{"Webhooks", func(x trial) (any, error) { return rows(x.Webhooks(x, x.r)) }, "GET /api/v1/webhooks", "", 0, []wire.Webhook{hook}},
		{"Webhook", func(x trial) (any, error) { return x.Webhook(x, "W1") }, "GET /api/v1/webhooks/W1", "", 0, hook},
		{"Deliveries", func(x trial) (any, error) { return rows(x.Deliveries(x, "W1")) }, "GET /api/v1/webhooks/W1/deliveries", "", 0, []wire.Delivery{{Index: 9, State: wire.DeliveryDead}}},
	}
}

// questions are reads that need a body.
func questions() []operation {
	schema := wire.PutSchema{Schema: rule}
	return []operation{
		{"TestSchema", func(x trial) (any, error) { return x.TestSchema(x, "a/b", schema, 50) }, "POST /api/v1/namespaces/a%2Fb/schema?dry_run=true&last=50", `{"schema":{"type":"object"}}`, 0, wire.SchemaTest{Looked: 50}},
		{"TestSchema of the usual changes", func(x trial) (any, error) { return x.TestSchema(x, "/", schema, 0) }, "POST /api/v1/namespaces/%2F/schema?dry_run=true", `{"schema":{"type":"object"}}`, 0, wire.SchemaTest{Valid: true}},
		{"Validate", func(x trial) (any, error) { return x.Validate(x, rule, json.RawMessage(`1.50`)) }, "POST /api/v1/validate", `{"schema":{"type":"object"},"value":1.50}`, 0, wire.Validation{Errors: []wire.FieldError{{Detail: "is no object"}}}},
		{"Rollback", func(x trial) (any, error) {
			return x.Rollback(x, "a/b", "k/l", wire.Rollback{ToVersion: 2}, true, x.w)
		}, "POST /api/v1/namespaces/a%2Fb/rollback/k%2Fl?dry_run=true", `{"toVersion":2}`, 0, undone},
		{"RollbackRequest", func(x trial) (any, error) { return x.RollbackRequest(x, "R1", "", true, x.w) }, "POST /api/v1/publish-requests/R1/rollback?dry_run=true", `{}`, 0, undone},
		{"Revert", func(x trial) (any, error) { return x.Revert(x, wire.Revert{Index: 9}, true, x.w) }, "POST /api/v1/revert?dry_run=true", `{"index":9}`, 0, undone},
		{"Promote", func(x trial) (any, error) {
			return x.Promote(x, wire.Promote{From: "a", To: "b"}, true, x.w)
		}, "POST /api/v1/promote?dry_run=true", `{"from":"a","to":"b"}`, 0, undone},
	}
}

func writes() []operation {
	roles := wire.Roles{Grants: []wire.RoleGrant{{Role: wire.RoleEditor, Principal: "ann"}}}
	webhook := wire.NewWebhook{URL: "https://hooks.example/in", Namespace: "pay"}
	submitted := wire.NewRequest{Changes: []wire.RequestedChange{{Namespace: "pay", Key: "a", Revision: 41}}, Comment: "why"}
	return []operation{
		{"PutRoles", func(x trial) (any, error) { return x.PutRoles(x, "/", roles, x.w) }, "PUT /api/v1/namespaces/%2F/roles", `{"grants":[{"role":"editor","principal":"ann"}]}`, 0, roles},
		{"PutSchema", func(x trial) (any, error) {
			return x.PutSchema(x, "a/b", wire.PutSchema{Schema: rule, Force: true}, x.w)
		}, "PUT /api/v1/namespaces/a%2Fb/schema", `{"schema":{"type":"object"},"force":true}`, 0, wire.Schema{Schema: rule}},
		{"PutSettings", func(x trial) (any, error) {
			return x.PutSettings(x, "/", wire.Settings{RequireApproval: new(false)}, x.w)
		}, "PUT /api/v1/namespaces/%2F/settings", `{"requireApproval":false}`, 0, wire.Settings{RequireApproval: new(false)}},
		{"PutDraft", func(x trial) (any, error) {
			return x.PutDraft(x, "teams/pay", "db/url", wire.PutDraft{Value: json.RawMessage(`"<a>"`)}, x.w)
		}, "PUT /api/v1/namespaces/teams%2Fpay/drafts/db%2Furl", `{"value":"<a>"}`, 201, held},
		{"DiscardDraft", func(x trial) (any, error) { return nil, x.DiscardDraft(x, "teams/pay", "db/url", x.w) }, "DELETE /api/v1/namespaces/teams%2Fpay/drafts/db%2Furl", "", 204, nil},
		{"SubmitRequest", func(x trial) (any, error) { return x.SubmitRequest(x, submitted, x.w) }, "POST /api/v1/publish-requests", `{"changes":[{"namespace":"pay","key":"a","revision":41}],"comment":"why"}`, 201, pending},
		{"ApproveRequest", func(x trial) (any, error) { return x.ApproveRequest(x, "R1", "", x.w) }, "POST /api/v1/publish-requests/R1/approve", `{}`, 0, pending},
		{"RejectRequest", func(x trial) (any, error) { return x.RejectRequest(x, "R1", "no", x.w) }, "POST /api/v1/publish-requests/R1/reject", `{"comment":"no"}`, 0, pending},
		{"WithdrawRequest", func(x trial) (any, error) { return x.WithdrawRequest(x, "R1", "", x.w) }, "POST /api/v1/publish-requests/R1/withdraw", `{}`, 0, pending},
		{"BypassRequest", func(x trial) (any, error) { return x.BypassRequest(x, "R1", "fire", x.w) }, "POST /api/v1/publish-requests/R1/bypass", `{"comment":"fire"}`, 0, pending},
		{"Rollback", func(x trial) (any, error) {
			return x.Rollback(x, "a/b", "", wire.Rollback{ToIndex: 9, Comment: "oops"}, false, x.w)
		}, "POST /api/v1/namespaces/a%2Fb/rollback", `{"toIndex":9,"comment":"oops"}`, 0, undone},
		{"RollbackRequest", func(x trial) (any, error) { return x.RollbackRequest(x, "R1", "oops", false, x.w) }, "POST /api/v1/publish-requests/R1/rollback", `{"comment":"oops"}`, 0, undone},
		{"Revert", func(x trial) (any, error) {
			return x.Revert(x, wire.Revert{Request: "R1"}, false, x.w)
		}, "POST /api/v1/revert", `{"request":"R1"}`, 0, undone},
		{"Promote", func(x trial) (any, error) {
			return x.Promote(x, wire.Promote{From: "a", To: "b", Keys: []string{"db/*"}}, false, x.w)
		}, "POST /api/v1/promote", `{"from":"a","to":"b","keys":["db/*"]}`, 201, undone},
		{"CreateWebhook", func(x trial) (any, error) { return x.CreateWebhook(x, webhook, x.w) }, "POST /api/v1/webhooks", `{"url":"https://hooks.example/in","namespace":"pay"}`, 201, hook},
		{"PutWebhook", func(x trial) (any, error) { return x.PutWebhook(x, "W1", webhook, x.w) }, "PUT /api/v1/webhooks/W1", `{"url":"https://hooks.example/in","namespace":"pay"}`, 0, hook},
		{"DeleteWebhook", func(x trial) (any, error) { return nil, x.DeleteWebhook(x, "W1", x.w) }, "DELETE /api/v1/webhooks/W1", "", 204, nil},
		{"RotateWebhookSecret", func(x trial) (any, error) {
			return x.RotateWebhookSecret(x, "W1", wire.RotateSecret{Overlap: "0s"}, x.w)
		}, "POST /api/v1/webhooks/W1/rotate", `{"overlap":"0s"}`, 0, hook},
	}
}

// carry runs an operation against a member that answers as it should, and
// returns the request that arrived.
func (o operation) carry(t *testing.T, r client.Read, w client.Write) *http.Request {
	t.Helper()
	n := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
		if o.answer == nil {
			w.WriteHeader(o.status)
			return
		}
		answer(w, max(o.status, 200), o.answer)
	})
	got, err := o.do(trial{t.Context(), newClient(t, client.Config{Endpoints: []string{n.URL}}), r, w})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, o.answer) {
		t.Errorf("answered %+v, want %+v", got, o.answer)
	}
	if len(n.asked()) != 1 {
		t.Fatalf("asked %d times", len(n.asked()))
	}
	asked := n.asked()[0]
	if got := asked.Method + " " + asked.RequestURI; got != o.asks || n.bodies[0] != o.says {
		t.Errorf("asked %s %s\nwant  %s %s", got, n.bodies[0], o.asks, o.says)
	}
	return asked
}

func TestGovernanceReadsAskForWhatTheyWereToldTo(t *testing.T) {
	for _, o := range reads() {
		t.Run(o.name, func(t *testing.T) {
			h := o.carry(t, client.Read{MinIndex: 7}, client.Write{}).Header
			if got := h.Get(wire.HeaderMinIndex); got != "7" && !slices.Contains([]string{"Webhook", "Deliveries"}, o.name) {
				t.Errorf("asked for index %q, want 7", got)
			}
			if h.Get(wire.HeaderIdempotencyKey) != "" {
				t.Error("a read has an idempotency key")
			}
		})
	}
}

func TestGovernanceWritesBearTheirKeyAndCondition(t *testing.T) {
	for _, o := range writes() {
		t.Run(o.name, func(t *testing.T) {
			var meta client.Meta
			h := o.carry(t, client.Read{}, client.Write{IdempotencyKey: "once", IfRevision: new(uint64(41)), Meta: &meta}).Header
			if h.Get(wire.HeaderIdempotencyKey) != "once" || h.Get("If-Match") != `"r41"` || meta.Status != max(o.status, 200) {
				t.Errorf("headers %v, meta %+v", h, meta)
			}
		})
	}
	t.Run("no draft so far", func(t *testing.T) {
		put := writes()[slices.IndexFunc(writes(), func(o operation) bool { return o.name == "PutDraft" })]
		h := put.carry(t, client.Read{}, client.Write{IfRevision: new(uint64(0))}).Header
		if h.Get("If-None-Match") != "*" || h.Get("If-Match") != "" || h.Get(wire.HeaderIdempotencyKey) == "" {
			t.Errorf("headers %v", h)
		}
	})
}

// A write with the same key must not be answered with the outcome of its dry run.
func TestQuestionsAndDryRunsHaveNoOutcomeToBeRemembered(t *testing.T) {
	for _, o := range questions() {
		t.Run(o.name, func(t *testing.T) {
			h := o.carry(t, client.Read{}, client.Write{IdempotencyKey: "for the real one"}).Header
			if h.Get(wire.HeaderIdempotencyKey) != "" || h.Get("Content-Type") != wire.MediaJSON {
				t.Errorf("headers %v", h)
			}
			n := newNode(t, func(w http.ResponseWriter, _ *http.Request) { hangUp(w) })
			c := newClient(t, client.Config{Endpoints: []string{n.URL}, Attempts: 1})
			_, err := o.do(trial{Context: t.Context(), Client: c})
			if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("the answer was lost: %v", err)
			}
		})
	}
}

func TestResendNamesTheEvent(t *testing.T) {
	done := wire.Delivery{ID: "E9", Index: 9, State: wire.DeliveryDone, Status: 200}
	o := operation{"Resend", func(x trial) (any, error) {
		return x.Resend(x, "W1", 9)
	}, "POST /api/v1/webhooks/W1/resend", `{"index":9}`, 0, done}
	if o.carry(t, client.Read{}, client.Write{}).Header.Get(wire.HeaderIdempotencyKey) == "" {
		t.Error("no idempotency key")
	}
}

// An approval whose answer is lost is settled by the next attempt, at the leader.
func TestApprovalIsMadeOnceThroughRedirectsAndCuts(t *testing.T) {
	attempts := 0
	leader := newNode(t, func(w http.ResponseWriter, _ *http.Request) {
		if attempts++; attempts == 1 {
			hangUp(w)
			return
		}
		answer(w, 200, wire.PublishRequest{ID: "R1", State: wire.RequestPublished})
	})
	other := follower(t, func() string { return leader.URL }, true)
	c := newClient(t, client.Config{Endpoints: []string{other.URL}})
	p, err := c.ApproveRequest(t.Context(), "R1", "fine", client.Write{})
	if err != nil || p.State != wire.RequestPublished {
		t.Fatalf("%+v, %v", p, err)
	}
	asked := leader.asked()
	if len(asked) != 2 {
		t.Fatalf("the leader was asked %d times", len(asked))
	}
	first, again := asked[0].Header.Get(wire.HeaderIdempotencyKey), asked[1].Header.Get(wire.HeaderIdempotencyKey)
	if first == "" || first != again || leader.bodies[1] != `{"comment":"fine"}` {
		t.Errorf("keys %q and %q, body %s", first, again, leader.bodies[1])
	}
}

func TestPublishRequestsComePageByPage(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			w.Header().Set("Link", fmt.Sprintf(`<%s&cursor=2>; rel="next"`, r.RequestURI))
		}
		answer(w, 200, []wire.PublishRequest{{ID: "R" + r.URL.Query().Get("cursor")}})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	all, err := rows(c.Requests(t.Context(), client.RequestQuery{State: "pending_review,scheduled"}, client.Read{}))
	if err != nil || len(all) != 2 || all[0].ID != "R" || all[1].ID != "R2" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, r := range n.asked() {
		if r.URL.Query().Get("state") != "pending_review,scheduled" {
			t.Errorf("asked %s", r.RequestURI)
		}
	}
}

func TestConflictsSayOfWhichKindTheyAre(t *testing.T) {
	kinds := map[string]error{
		wire.ProblemApprovalRequired: client.ErrApprovalRequired,
		wire.ProblemDraftLocked:      client.ErrDraftLocked,
		wire.ProblemFrozen:           client.ErrFrozen,
		wire.ProblemOverQuota:        client.ErrOverQuota,
		wire.ProblemConflict:         client.ErrConflict,
	}
	for typ := range kinds {
		n := newNode(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, 409, typ, "why") })
		_, err := newClient(t, client.Config{Endpoints: []string{n.URL}}).Put(t.Context(), "pay", "a", one, client.Write{})
		for other, kind := range kinds {
			if is := other == typ || other == wire.ProblemConflict; errors.Is(err, kind) != is {
				t.Errorf("%s: %v; errors.Is(%v) is %v", typ, err, kind, !is)
			}
		}
		if err == nil || !strings.HasSuffix(err.Error(), "409 Conflict: why") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestAProblemTellsEachFieldOnce(t *testing.T) {
	for detail, want := range map[string]string{
		"name is empty":            "400 Malformed: name is empty: /age is 7",
		"the schema does not like": "400 Malformed: the schema does not like: /name is empty; /age is 7",
	} {
		p := client.Problem{Problem: wire.Problem{
			Status: 400, Title: "Malformed", Detail: detail,
			Errors: []wire.FieldError{{Pointer: "/name", Detail: "is empty"}, {Pointer: "/age", Detail: "is 7"}},
		}}
		if got := p.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
