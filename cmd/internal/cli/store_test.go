package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	"confman/api/wire"
)

// store is a server that keeps entries, with a history, and does transactions.
type store struct {
	*httptest.Server

	// page is how many rows a list answers with.
	page int
	// beforeList and beforeTransaction are called before a request is looked
	// at; when the latter answers itself it returns true.
	beforeList        func()
	beforeTransaction func(w http.ResponseWriter, t wire.Transaction) bool

	mu           sync.Mutex
	past         []map[string]wire.ConfigEntry // by event index; the last is now
	transactions []wire.Transaction            // that were done
	reads        []string                      // the consistency that each list asked for
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{page: 1000, past: []map[string]wire.ConfigEntry{{}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/{ns}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("ns") == "absent" {
			problem(w, http.StatusNotFound, "namespace absent does not exist")
			return
		}
		answer(w, 200, wire.Namespace{Path: r.PathValue("ns")})
	})
	mux.HandleFunc("GET /api/v1/namespaces/{ns}/config", s.list)
	mux.HandleFunc("POST /api/v1/transactions", s.transact)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *store) shell(t *testing.T) *shell { return newShell(t, &server{Server: s.Server}) }

func (s *store) now() map[string]wire.ConfigEntry { return s.past[len(s.past)-1] }

// change makes one event that sets a key, or deletes it when value is empty.
func (s *store) change(namespace, key, valueType, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.now())
	s.past = append(s.past, next)
	if value == "" {
		delete(next, namespace+" "+key)
		return
	}
	old := next[namespace+" "+key]
	next[namespace+" "+key] = wire.ConfigEntry{Namespace: namespace, Key: key, Type: valueType, Value: json.RawMessage(value), Version: old.Version + 1}
}

// values are the entries of a namespace as "key type value".
func (s *store) values(namespace string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.now() {
		if e.Namespace == namespace {
			lines = append(lines, fmt.Sprintf("%s %s %s", e.Key, e.Type, e.Value))
		}
	}
	slices.Sort(lines)
	return lines
}

func (s *store) list(w http.ResponseWriter, r *http.Request) {
	if s.beforeList != nil {
		s.beforeList()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	index := len(s.past) - 1
	query := r.URL.Query()
	s.reads = append(s.reads, query.Get(wire.ParamConsistency))
	if at := query.Get(wire.ParamAt); at != "" {
		index, _ = strconv.Atoi(at)
	}
	rows := []wire.ConfigEntry{}
	for _, e := range s.past[index] {
		if e.Namespace == r.PathValue("ns") && e.Key > query.Get("cursor") {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b wire.ConfigEntry) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	if len(rows) > s.page {
		rows = rows[:s.page]
		query.Set("cursor", rows[s.page-1].Key)
		w.Header().Set("Link", `<`+r.URL.Path+`?`+query.Encode()+`>; rel="next"`)
	}
	w.Header().Set(wire.HeaderIndex, strconv.Itoa(index))
	w.Header().Set(wire.HeaderPosition, fmt.Sprintf("%d-00000000", index))
	answer(w, 200, rows)
}

func (s *store) transact(w http.ResponseWriter, r *http.Request) {
	var t wire.Transaction
	_ = json.NewDecoder(r.Body).Decode(&t)
	if s.beforeTransaction != nil && s.beforeTransaction(w, t) {
		return
	}
	s.mu.Lock()
	var failed []wire.FieldError
	for i, c := range t.If {
		if now := s.now()[c.Namespace+" "+c.Key].Version; now != c.Version {
			failed = append(failed, wire.FieldError{Pointer: fmt.Sprintf("/if/%d", i), Detail: fmt.Sprintf("%s/%s is at version %d, not %d", c.Namespace, c.Key, now, c.Version)})
		}
	}
	s.mu.Unlock()
	if failed != nil {
		problem(w, http.StatusConflict, "conditions of the transaction do not hold", failed...)
		return
	}
	for _, set := range t.Set {
		s.change(set.Namespace, set.Key, set.Type, string(set.Value))
	}
	for _, d := range t.Delete {
		s.change(d.Namespace, d.Key, "", "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transactions = append(s.transactions, t)
	answer(w, 200, wire.TransactionResult{Index: uint64(len(s.past) - 1), Position: fmt.Sprintf("%d-00000000", len(s.past)-1)})
}
