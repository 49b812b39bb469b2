package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// auditor answers with events 1 to 10 as the query bounds them, and breaks each
// connection after some of them; 0: never.
func auditor(t *testing.T, breaks int) *node {
	return newNode(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/audit" {
			problem(w, 503, wire.ProblemUnavailable, "")
			return
		}
		bound := func(name string, otherwise int) int {
			given, _, _ := strings.Cut(r.URL.Query().Get(name), "-")
			if n, err := strconv.Atoi(given); err == nil {
				return n
			}
			return otherwise
		}
		w.Header().Set("Content-Type", strings.SplitN(r.Header.Get("Accept"), ",", 2)[0])
		w.Header().Set(wire.HeaderIndex, "10")
		i, step := bound("before", 11)-1, -1
		if r.URL.Query().Get("order") == "asc" {
			i, step = bound("after", 0)+1, 1
		}
		for sent := 0; i > bound("after", 0) && i < bound("before", 11); i += step {
			if sent++; breaks > 0 && sent > breaks {
				w.Write([]byte(`{"timest`)) // and no more
				panic(http.ErrAbortHandler)
			}
			line, _ := json.Marshal(wire.AuditEvent{Provenance: wire.Provenance{Index: uint64(i), Position: fmt.Sprintf("%d-0000000%d", i, i%10)}})
			w.Write(append(line, '\n'))
			w.(http.Flusher).Flush()
		}
	})
}

func connect(t *testing.T, nodes ...*node) *client.Client {
	t.Helper()
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.URL)
	}
	c, err := client.New(client.Config{Endpoints: urls, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAuditGoesOnWhereAConnectionBroke(t *testing.T) {
	for _, breaks := range []int{0, 3, 1} {
		c := connect(t, auditor(t, breaks), auditor(t, 2*breaks))
		for _, test := range []struct {
			query client.AuditQuery
			want  string
		}{
			{client.AuditQuery{}, "10 9 8 7 6 5 4 3 2 1"},
			{client.AuditQuery{Ascending: true}, "1 2 3 4 5 6 7 8 9 10"},
			{client.AuditQuery{Ascending: true, After: "3", Before: "9-00000009"}, "4 5 6 7 8"},
		} {
			all := c.Audit(t.Context(), test.query, client.Read{})
			for range 2 { // each range is one of its own
				var got []string
				for e, err := range all {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, strconv.FormatUint(e.Index, 10))
				}
				if strings.Join(got, " ") != test.want {
					t.Errorf("broken after %d, %+v: %v", breaks, test.query, got)
				}
			}
		}
	}
}

func TestAuditAsksForAllThatIsGiven(t *testing.T) {
	n := auditor(t, 0)
	c := connect(t, n)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	q := client.AuditQuery{
		Namespace: "pay", Exact: true, Key: "a", Actor: "ana", Action: "config.*", Request: "r", Correlation: "c", Transaction: "t",
		Since: at, Until: at, After: "1", Before: "2", Ascending: true,
	}
	for _, err := range c.Audit(t.Context(), q, client.Read{Linearizable: true}) {
		t.Fatal(err)
	}
	want := "action=config.%2A&actor=ana&after=1&before=2&consistency=linearizable&correlation=c&exact=true&key=a&namespace=pay&order=asc" +
		"&request=r&since=2026-01-02T02%3A04%3A05.000000006Z&transaction=t&until=2026-01-02T02%3A04%3A05.000000006Z"
	if got := n.asked()[0].URL.RawQuery; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAuditExportWritesTheWholeOrFails(t *testing.T) {
	var got strings.Builder
	if err := connect(t, auditor(t, 0)).AuditExport(t.Context(), client.AuditQuery{}, wire.MediaNDJSON, &got); err != nil || strings.Count(got.String(), "\n") != 10 {
		t.Errorf("%d lines, %v", strings.Count(got.String(), "\n"), err)
	}
	if err := connect(t, auditor(t, 0)).AuditExport(t.Context(), client.AuditQuery{}, wire.MediaCSV, &got); err != nil {
		t.Error(err)
	}
	if err := connect(t, auditor(t, 4)).AuditExport(t.Context(), client.AuditQuery{}, wire.MediaNDJSON, &got); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("cut off: %v", err)
	}
	full := errors.New("the disk is full")
	if err := connect(t, auditor(t, 0)).AuditExport(t.Context(), client.AuditQuery{}, wire.MediaNDJSON, failing{full}); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAuditSaysWhyItEnds(t *testing.T) {
	gone := newNode(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, 410, wire.ProblemCompacted, "") })
	busy := newNode(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, 503, wire.ProblemUnavailable, "") })
	odd := newNode(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, []string{}) })
	stuck := auditor(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, test := range []struct {
		nodes []*node
		want  error
	}{
		{[]*node{gone}, client.ErrCompacted},
		{[]*node{busy, gone}, client.ErrCompacted},
		{[]*node{odd}, client.ErrBadAnswer},
		{[]*node{stuck}, context.Canceled},
	} {
		var last error
		for _, err := range connect(t, test.nodes...).Audit(ctx, client.AuditQuery{}, client.Read{}) {
			if last = err; errors.Is(test.want, context.Canceled) {
				cancel()
			}
		}
		if !errors.Is(last, test.want) {
			t.Errorf("%v, want %v", last, test.want)
		}
	}
}
