package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

const goodKey = "a-good-key"

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// server is a small cluster of one: pay/db.url at version 3, pay/pool a number,
// pay/cert a binary. Requests that change something are remembered.
type server struct {
	*httptest.Server
	changes []string // "PUT /api/v1/… If-Match body"
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	entries := map[string]wire.ConfigEntry{}
	for _, e := range []wire.ConfigEntry{
		{Key: "cert", Value: json.RawMessage(`"AAH/"`), Type: wire.TypeBinary, Version: 1},
		{Key: "db.url", Value: json.RawMessage(`"postgres://a&b"`), Type: wire.TypeString, Version: 3, Index: 42, Comment: "moved"},
		{Key: "pool", Value: json.RawMessage(`1.50`), Type: wire.TypeNumber, Version: 2},
	} {
		e.Namespace, e.UpdatedAt, e.UpdatedBy = "teams/pay", noon, "ana"
		entries[e.Key] = e
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, []wire.Namespace{{Path: "teams/pay", Description: new("Payments"), Owner: "ana", CreatedAt: noon}, {Path: "teams/web", Owner: "bo", CreatedAt: noon}})
	})
	mux.HandleFunc("/api/v1/namespaces/{ns}", s.namespace)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/config", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, []wire.ConfigEntry{entries["cert"], entries["db.url"], entries["pool"]})
	})
	mux.HandleFunc("/api/v1/namespaces/{ns}/config/{key}", func(w http.ResponseWriter, r *http.Request) {
		e, ok := entries[r.PathValue("key")]
		switch {
		case r.PathValue("key") == "broken":
			problem(w, http.StatusInternalServerError, "boom")
		case r.PathValue("key") == "secret":
			problem(w, http.StatusForbidden, "viewer needed on teams/pay")
		case r.PathValue("key") == "lost":
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(504)
			fmt.Fprintf(w, `{"type":%q,"title":"Outcome unknown","status":504}`, wire.ProblemOutcomeUnknown)
		case r.Method == http.MethodPut:
			s.put(w, r, e)
		case !ok || r.PathValue("ns") != "teams/pay":
			problem(w, http.StatusNotFound, r.PathValue("ns")+"/"+r.PathValue("key")+" does not exist")
		case r.Method == http.MethodDelete:
			s.changes = append(s.changes, strings.TrimSpace("DELETE "+r.RequestURI+" "+r.Header.Get("If-Match")))
			w.WriteHeader(204)
		default:
			answer(w, 200, e)
		}
	})
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/history/{key}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, []wire.HistoryVersion{
			{Version: 1, Value: json.RawMessage(`"x"`), Type: "string", Action: "config.created", Actor: "ana", Time: noon, Index: 7, Comment: "first"},
			{Version: 2, Value: json.RawMessage("null"), Action: "config.deleted", Actor: "bo", Time: noon, Index: 9},
		})
	})
	mux.HandleFunc("GET /api/v1/configs", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, []wire.BulkEntry{{NS: "teams/web", Key: "title", Value: json.RawMessage(`"line\nline"`), Type: "string", Version: 1, UpdatedAt: noon, UpdatedBy: "bo"}})
	})
	mux.HandleFunc("GET /api/v1/audit", s.audit)
	s.administration(mux)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get(wire.HeaderAPIKey); key != goodKey && !strings.HasPrefix(r.URL.Path, "/health") {
			problem(w, http.StatusUnauthorized, "")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) put(w http.ResponseWriter, r *http.Request, now wire.ConfigEntry) {
	var put wire.PutConfig
	_ = json.NewDecoder(r.Body).Decode(&put)
	line := fmt.Sprintf("PUT %s %s %s %s", r.RequestURI, put.Type, put.Value, put.Comment)
	condition := r.Header.Get("If-Match") + r.Header.Get("If-None-Match")
	switch {
	case condition == "*" && now.Version > 0, condition != "" && condition != "*" && condition != `"v`+strconv.FormatUint(now.Version, 10)+`"`:
		problem(w, http.StatusPreconditionFailed, fmt.Sprintf("teams/pay/%s is at version %d", r.PathValue("key"), now.Version))
		return
	case put.Type == wire.TypeNumber && strings.Contains(string(put.Value), "x"):
		problem(w, http.StatusBadRequest, "", wire.FieldError{Pointer: "/value", Detail: "does not parse as number"}, wire.FieldError{Pointer: "/type", Detail: "is number"})
		return
	}
	s.changes = append(s.changes, strings.TrimSpace(line))
	status := map[bool]int{true: 201, false: 200}[now.Version == 0]
	answer(w, status, wire.ConfigEntry{Namespace: r.PathValue("ns"), Key: r.PathValue("key"), Value: put.Value, Type: put.Type, Version: now.Version + 1, UpdatedAt: noon, UpdatedBy: "ana"})
}

func (s *server) namespace(w http.ResponseWriter, r *http.Request) {
	n := wire.Namespace{Path: r.PathValue("ns"), Owner: "ana", CreatedAt: noon}
	switch r.Method {
	case http.MethodDelete:
		s.changes = append(s.changes, "DELETE "+r.RequestURI)
		w.WriteHeader(204)
	case http.MethodPut:
		var put wire.PutNamespace
		_ = json.NewDecoder(r.Body).Decode(&put)
		body, _ := json.Marshal(put)
		s.changes = append(s.changes, "PUT "+r.RequestURI+" "+string(body))
		answer(w, 201, n)
	default:
		answer(w, 200, n)
	}
}

// audit has ten events, oldest first. The connection breaks after the fifth.
func (s *server) audit(w http.ResponseWriter, r *http.Request) {
	after, _, _ := strings.Cut(r.URL.Query().Get("after"), "-")
	first, _ := strconv.Atoi(after)
	if r.URL.Query().Get("order") != "asc" || !strings.Contains(r.Header.Get("Accept"), wire.MediaNDJSON) {
		problem(w, http.StatusBadRequest, "order "+r.URL.Query().Get("order"))
		return
	}
	w.Header().Set("Content-Type", wire.MediaNDJSON)
	for i := first + 1; i <= 10; i++ {
		_, _ = w.Write(append(plainJSON(wire.AuditEvent{
			Timestamp: noon, Action: "config.updated", Actor: "ana", Namespace: "teams/pay", Key: new("k"), NewValue: new("<1>"),
			Provenance: wire.Provenance{ID: "01J", Index: uint64(i), Position: fmt.Sprintf("%d-00000000", i)},
		}), '\n'))
		if i == 5 && first < 5 {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

// administration adds keys and the cluster.
func (s *server) administration(mux *http.ServeMux) {
	changed := func(status int, body any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var request json.RawMessage
			_ = json.NewDecoder(r.Body).Decode(&request)
			s.changes = append(s.changes, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(request)))
			if body == nil {
				w.WriteHeader(status)
				return
			}
			answer(w, status, body)
		}
	}
	grants := []wire.Grant{{Namespace: "teams/pay", Role: "editor"}, {Namespace: "/", Role: "viewer", Keys: "db/*"}}
	key := wire.APIKey{ID: "01KEY", Key: "cf_shown_once", Name: "ci", Principal: "ci", Grants: grants, CreatedAt: noon}
	listed := key
	listed.Key, listed.RevokedAt, listed.LastUsedAt, listed.LastUsedFrom = "", &noon, &noon, "10.0.0.7"
	mux.HandleFunc("POST /api/v1/keys", changed(201, key))
	mux.HandleFunc("DELETE /api/v1/keys/{id}", changed(204, nil))
	mux.HandleFunc("GET /api/v1/keys", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, []wire.APIKey{listed}) })
	mux.HandleFunc("GET /api/v1/whoami", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, wire.Principal{Principal: "ana", KeyID: "01KEY", Grants: grants})
	})
	mux.HandleFunc("GET /api/v1/cluster", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, wire.Cluster{ID: "01C", NodeID: "n1", LeaderID: "n1", Quorum: wire.Quorum{Voters: 1, Alive: 1, Needed: 1, Healthy: true}, Members: []wire.Member{
			{ID: "n1", Address: "10.0.0.1:6100", Role: "leader", Voter: true, AppliedIndex: 42},
		}})
	})
	mux.HandleFunc("POST /api/v1/cluster/members", changed(204, nil))
	mux.HandleFunc("DELETE /api/v1/cluster/members/{id}", changed(204, nil))
	mux.HandleFunc("POST /api/v1/cluster/transfer-leader", changed(204, nil))
	mux.HandleFunc("POST /api/v1/cluster/snapshot", changed(200, wire.Snapshot{NodeID: "n1", Index: 42, Position: "42-9f3c2a1b"}))
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 503, wire.Ready{Status: wire.StatusNotReady, Reasons: []string{"no leader"}, Cluster: wire.ClusterState{Role: wire.MemberCandidate, Term: 6}, EventIndex: 41})
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", wire.MediaJSON)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body)
}

func problem(w http.ResponseWriter, status int, detail string, fields ...wire.FieldError) {
	w.Header().Set("Content-Type", wire.MediaProblem)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: http.StatusText(status), Status: status, Detail: detail, CorrelationID: "corr-1", Errors: fields})
}

func problemBody(status int, kind string, fields []wire.FieldError) []byte {
	body, _ := json.Marshal(wire.Problem{Type: kind, Title: http.StatusText(status), Status: status, Errors: fields})
	return body
}
