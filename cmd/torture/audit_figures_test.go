package torture

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// figures is a table of how long things took.
type figures struct {
	t    *testing.T
	rows strings.Builder
}

// time does something many times and adds the row of it.
func (f *figures) time(name string, times int, do func() time.Duration) {
	took := make([]time.Duration, times)
	for i := range took {
		took[i] = do()
	}
	slices.Sort(took)
	fmt.Fprintf(&f.rows, "| %s | %s | %s | %s |\n", name, ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(took[len(took)-1]))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

func TestFiguresOfAGreatHistory(t *testing.T) {
	rng := random(t)
	c, made := grown(t, rng)
	n := c.nodes[0]
	f := &figures{t: t}
	h := c.wholeExport(n, made.Head.Index)
	times := rounds(20, 1000)
	get := func(path string) time.Duration { return c.must(http.StatusOK, n, http.MethodGet, path, nil).took }
	short := c.timeQueries(n, h, f, times, rng)
	f.time("a health check", times, func() time.Duration { return get("/health") })
	live := h.live()
	anyKey := func() wire.AuditEvent { return h[live[rng.IntN(len(live))]-1] }
	anyIndex := func(e wire.AuditEvent) uint64 { return e.Index + rng.Uint64N(made.Head.Index-e.Index+1) }
	f.time("key now", times, func() time.Duration { return get(pathOf(anyKey())) })
	f.time("key at any index", times, func() time.Duration {
		e := anyKey()
		return get(fmt.Sprintf("%s?at=%d", pathOf(e), anyIndex(e)))
	})
	list := func(e wire.AuditEvent) string { return "/api/v1/namespaces/" + e.Namespace + "/config" }
	f.time("list of a namespace now", times, func() time.Duration { return get(list(anyKey())) })
	f.time("list of a namespace at any index", times, func() time.Duration {
		e := anyKey()
		return get(fmt.Sprintf("%s?at=%d", list(e), anyIndex(e)))
	})
	before := n.resident()
	began := time.Now()
	c.export(n, url.Values{"order": {"asc"}}, func(wire.AuditEvent) {})
	export := float64(made.Head.Index) / time.Since(began).Seconds()
	began = time.Now()
	c.lines(n, "/api/v1/audit/replay?events=all", func([]byte) {})
	replay := float64(made.Head.Index) / time.Since(began).Seconds()
	after := n.resident()
	gentle, hard := c.restart(n, func() { n.term() }), c.restart(n, n.kill9)
	t.Logf("%d events, %d keys live; of %d each:\n| | p50 ms | p99 ms | max ms |\n|---|---|---|---|\n%s"+
		"queries that came back with fewer than 50 and more to follow: %d\nexport: %.0f events/s, read and decoded; replay: %.0f events/s, read; memory of the node before and after: %d and %d MiB\n"+
		"start until ready: %v after a stop, %v after a kill; on disk: %d MiB",
		made.Head.Index, made.Live, times, f.rows.String(), short, export, replay, before>>20, after>>20, gentle, hard, treeBytes(t, n.dir)>>20)
}

func pathOf(e wire.AuditEvent) string { return entryPath(e.Namespace, *e.Key) }

// timeQueries adds a row for each filter and for pairs of them, for 50 newest, and
// returns how many answers were not full although there was more.
func (c *cluster) timeQueries(n *node, h history, f *figures, times int, rng *rand.Rand) (short int) {
	ask := func(query filter) time.Duration {
		query.query.Set("limit", "50")
		a := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/audit?"+query.query.Encode(), nil)
		if nextPage(a.header) != "" && strings.Count(string(a.body), `"raftIndex":`) < 50 {
			short++
		}
		return a.took
	}
	named := func(name string) filter {
		for {
			for _, f := range auditFilters(h.pattern(rng)) {
				if f.name == name {
					return f
				}
			}
		}
	}
	for _, name := range []string{"key", "actor", "namespace", "subtree", "kind", "request", "correlation", "transaction", "window of time"} {
		f.time("50 newest by "+name, times, func() time.Duration { return ask(named(name)) })
	}
	for _, pair := range [][2]string{{"actor", "subtree"}, {"actor", "kind"}, {"subtree", "kind"}, {"namespace", "actor"}, {"subtree", "window of time"}} {
		f.time("50 newest by "+pair[0]+" and "+pair[1], times, func() time.Duration {
			for {
				all := map[string]filter{}
				for _, f := range auditFilters(h.pattern(rng)) {
					all[f.name] = f
				}
				one, first := all[pair[0]]
				two, second := all[pair[1]]
				if together, ok := one.both(two); first && second && ok {
					return ask(together)
				}
			}
		})
	}
	return short
}

// live are the indexes of the events that made the values that are live at the end.
func (h history) live() (indexes []uint64) {
	l := ledger{}
	for _, e := range h {
		l.fold(e)
	}
	for _, keys := range l {
		for _, held := range keys {
			if held.live {
				indexes = append(indexes, held.index)
			}
		}
	}
	slices.Sort(indexes)
	return indexes
}

// restart ends a node and measures how long it takes to be ready again.
func (c *cluster) restart(n *node, end func()) time.Duration {
	c.t.Helper()
	end()
	began := time.Now()
	n.start()
	c.awaitReady(n)
	return time.Since(began)
}
