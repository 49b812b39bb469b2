package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"confman/api/wire"
)

// desk is a small cluster of one where changes are reviewed: in pay, pool is live
// at version 2 and has a draft, url has one under review in request 01REQ, and gone
// one that deletes it. Requests that change something are remembered.
type desk struct {
	*httptest.Server
	changes []string // "PUT /api/v1/… \"r41\" body"
	states  []string // that a request has, from one look to the next; the last stays

	roles    wire.Roles
	settings wire.Settings
	schema   wire.Schema
	meddle   func() // runs before the next document is written, once
}

func number(text string) json.RawMessage { return json.RawMessage(text) }

func (d *desk) drafts() []wire.Draft {
	base := wire.Draft{Namespace: "pay", UpdatedAt: noon, UpdatedBy: "ana"}
	gone, pool, url := base, base, base
	gone.Key, gone.Delete, gone.Revision, gone.Live = "gone", true, 43, &wire.PreviousVersion{Value: number(`"x"`), Version: 1}
	pool.Key, pool.Type, pool.Value, pool.Revision, pool.Comment = "pool", wire.TypeNumber, number("70000"), 41, "more traffic"
	pool.Live, pool.Errors = &wire.PreviousVersion{Value: number("5"), Version: 2}, []wire.FieldError{{Pointer: "/pool", Detail: "is 70000, must be at most 65535"}}
	url.Key, url.Type, url.Value, url.Revision, url.Request = "url", wire.TypeString, number(`"http://b"`), 42, "01REQ"
	return []wire.Draft{gone, pool, url}
}

func (d *desk) request() wire.PublishRequest {
	p := wire.PublishRequest{
		ID: "01REQ", State: wire.RequestPending, Comment: "more traffic", SubmittedBy: "ana", SubmittedAt: noon, Index: 50,
		Changes: []wire.ProposedChange{
			{
				Namespace: "pay", Key: "limits", Action: wire.ActionUpdate, Revision: 44, EditedBy: "dan", Type: wire.TypeJSON,
				Value: number(`{"max":9}`), Previous: &wire.PreviousVersion{Value: number(`{"max":5,"min":1}`), Version: 3}, MinApprovers: 2, Approvals: 1,
				Diff: []wire.Difference{{Pointer: "/max", Old: number("5"), New: number("9")}, {Pointer: "/min", Old: number("1")}},
			},
			{
				Namespace: "pay", Key: "url", Action: wire.ActionCreate, Revision: 42, EditedBy: "ana", Type: wire.TypeString, Value: number(`"http://b"`),
				Description: "where it is", Tags: []string{"edge"}, Comment: "new host", MinApprovers: 2, Approvals: 1,
			},
		},
		Reviews: []wire.Review{
			{Reviewer: "bo", Decision: wire.DecisionApproved, At: noon, Comment: "fine", Counts: true},
			{Reviewer: "dan", Decision: wire.DecisionApproved, At: noon, Why: "dan last edited pay/limits"},
		},
		Missing: []wire.MissingApproval{{Namespace: "pay", Key: "limits", Have: 1, Need: 2}, {Namespace: "pay", Key: "url", Have: 1, Need: 2}},
	}
	if len(d.states) > 0 {
		p.State = d.states[0]
		if len(d.states) > 1 {
			d.states = d.states[1:]
		}
	}
	return resolved(p, p.State, "")
}

// resolved is a request that came to a state.
func resolved(p wire.PublishRequest, state, comment string) wire.PublishRequest {
	p.State = state
	if state != wire.RequestPending && state != wire.RequestScheduled {
		p.Resolution = &wire.Resolution{State: state, By: "cy", At: noon, Comment: comment, Index: 57}
	}
	if state != wire.RequestPending {
		p.Missing = nil
	}
	return p
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/namespaces/{ns}/drafts/{key}", d.draft)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/drafts", func(w http.ResponseWriter, r *http.Request) {
		rows := []wire.Draft{}
		for _, draft := range d.drafts() {
			if draft.Namespace == r.PathValue("ns") && strings.HasPrefix(draft.Key, r.FormValue("prefix")) {
				rows = append(rows, draft)
			}
		}
		answer(w, 200, rows)
	})
	mux.HandleFunc("GET /api/v1/namespaces", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, []wire.Namespace{{Path: "pay"}})
	})
	mux.HandleFunc("/api/v1/namespaces/{ns}/config/{key}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(409)
			_, _ = w.Write(problemBody(409, wire.ProblemApprovalRequired, nil))
		case r.PathValue("key") == "pool":
			answer(w, 200, wire.ConfigEntry{Namespace: "pay", Key: "pool", Type: wire.TypeNumber, Value: number("5"), Version: 2})
		default:
			problem(w, 404, "no such entry")
		}
	})
	d.reviewing(mux)
	d.documents(mux)
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func (d *desk) shell(t *testing.T) *shell { return newShell(t, &server{Server: d.Server}) }

// note remembers a request and returns its body.
func (d *desk) note(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	line := strings.Join([]string{r.Method, strings.TrimPrefix(r.RequestURI, "/api/v1/"), r.Header.Get("If-Match") + r.Header.Get("If-None-Match"), string(body)}, " ")
	d.changes = append(d.changes, strings.TrimSpace(strings.ReplaceAll(line, "  ", " ")))
	return body
}

func (d *desk) draft(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		body := d.note(r)
		var put wire.PutDraft
		_ = json.Unmarshal(body, &put)
		switch {
		case r.PathValue("key") == "url":
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(409)
			_, _ = w.Write(problemBody(409, wire.ProblemDraftLocked, nil))
		case r.Method == http.MethodDelete:
			w.WriteHeader(204)
		default:
			made := wire.Draft{Namespace: "pay", Key: r.PathValue("key"), Value: put.Value, Type: put.Type, Delete: put.Delete, Revision: 60, UpdatedAt: noon, UpdatedBy: "ana"}
			if put.Type == wire.TypeNumber {
				made.Errors = d.drafts()[1].Errors
			}
			answer(w, 201, made)
		}
		return
	}
	for _, draft := range d.drafts() {
		if draft.Namespace == r.PathValue("ns") && draft.Key == r.PathValue("key") {
			answer(w, 200, draft)
			return
		}
	}
	problem(w, 404, "no draft of "+r.PathValue("ns")+"/"+r.PathValue("key"))
}

// reviewing adds publish requests.
func (d *desk) reviewing(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/publish-requests", func(w http.ResponseWriter, r *http.Request) {
		d.note(r)
		answer(w, 201, d.request())
	})
	mux.HandleFunc("GET /api/v1/publish-requests", func(w http.ResponseWriter, r *http.Request) {
		d.changes = append(d.changes, r.URL.RawQuery)
		hidden := resolved(d.request(), wire.RequestRejected, "no")
		hidden.ID, hidden.Partial, hidden.Changes = "01OLD", true, hidden.Changes[:1]
		answer(w, 200, []wire.PublishRequest{d.request(), hidden})
	})
	mux.HandleFunc("GET /api/v1/publish-requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "01REQ" {
			problem(w, 404, "no publish request "+r.PathValue("id"))
			return
		}
		answer(w, 200, d.request())
	})
	mux.HandleFunc("POST /api/v1/publish-requests/{id}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		var decide wire.Decide
		_ = json.Unmarshal(d.note(r), &decide)
		state := map[string]string{"approve": wire.RequestPublished, "bypass": wire.RequestPublished, "reject": wire.RequestRejected, "withdraw": wire.RequestWithdrawn}[r.PathValue("verb")]
		made := resolved(d.request(), state, decide.Comment)
		made.Resolution.Bypassed = r.PathValue("verb") == "bypass"
		answer(w, 200, made)
	})
	mux.HandleFunc("GET /api/v1/publish-requests/{id}/impact", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, wire.Impact{
			Request: "01REQ", Watches: 1, Principals: []string{"web"}, Nodes: []string{"n1", "n2"}, Unwatched: []wire.Unwatched{{Namespace: "pay", Key: "url"}}, Silent: []string{"n3"},
			Errors: []wire.FieldError{{Pointer: "/limits", Detail: "is too small"}}, Frozen: "frozen until 2027-01-02: holidays", Missing: d.request().Missing,
			Changes: []wire.EffectiveChange{
				{Namespace: "pay/eu", Key: "url", Inherited: true, Value: number(`"http://b"`), Previous: &wire.PreviousVersion{Value: number(`"http://a"`), Version: 1}, Watches: 1},
				{Namespace: "pay", Key: "gone", Previous: &wire.PreviousVersion{Value: number("1"), Version: 4}},
			},
		})
	})
}

// documents adds roles, schemas and settings, as one kind of thing.
func (d *desk) documents(mux *http.ServeMux) {
	serve := func(name string, document any, origin *wire.Origin) {
		mux.HandleFunc("GET /api/v1/namespaces/{ns}/"+name, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, document) })
		mux.HandleFunc("PUT /api/v1/namespaces/{ns}/"+name, func(w http.ResponseWriter, r *http.Request) {
			if d.meddle != nil {
				d.meddle()
				d.meddle = nil
			}
			body := d.note(r)
			want := fmt.Sprintf(`"r%d"`, origin.Index)
			if origin.Index == 0 {
				want = "*"
			}
			if got := r.Header.Get("If-Match") + r.Header.Get("If-None-Match"); got != want {
				problem(w, 412, fmt.Sprintf("is at revision %d", origin.Index))
				return
			}
			index := origin.Index + 10
			switch document := document.(type) {
			case *wire.Roles:
				*document = wire.Roles{}
			case *wire.Settings:
				*document = wire.Settings{}
			case *wire.Schema:
				*document = wire.Schema{}
			}
			_ = json.Unmarshal(body, document)
			origin.Index = index
			answer(w, 200, document)
		})
	}
	serve("roles", &d.roles, &d.roles.Origin)
	serve("settings", &d.settings, &d.settings.Origin)
	serve("schema", &d.schema, &d.schema.Origin)
	mux.HandleFunc("POST /api/v1/namespaces/{ns}/schema", func(w http.ResponseWriter, r *http.Request) {
		d.note(r)
		broken := []wire.FieldError{{Pointer: "/pool", Detail: "is 5, must be at least 10"}}
		past := wire.RefusedChange{Index: 31, Time: noon, Actor: "ana", Namespace: "pay", Key: "pool", Errors: broken}
		answer(w, 200, wire.SchemaTest{Valid: r.PathValue("ns") == "web", Live: []wire.SchemaBreach{{Namespace: "pay/eu", Errors: broken}}, Changes: []wire.RefusedChange{past}, Looked: 7})
	})
	mux.HandleFunc("POST /api/v1/validate", func(w http.ResponseWriter, r *http.Request) {
		var body wire.Validate
		_ = json.NewDecoder(r.Body).Decode(&body)
		if string(body.Value) == "5" {
			answer(w, 200, wire.Validation{Valid: true})
			return
		}
		answer(w, 200, wire.Validation{Errors: []wire.FieldError{{Pointer: "", Detail: "is not a number"}}})
	})
	mux.HandleFunc("GET /api/v1/access/explain", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		answer(w, 200, wire.AccessExplanation{
			Principal: q.Get("principal"), Groups: q["group"], Namespace: q.Get("namespace"), Key: q.Get("key"), Role: "editor",
			Reasons: []wire.AccessReason{
				{Role: "editor", Source: "role", Namespace: "/", Group: q.Get("group"), Keys: "db/*", Counts: true},
				{Role: "admin", Source: "key", Namespace: "pay", KeyID: "01KEY", Why: "revoked"},
			},
		})
	})
}
