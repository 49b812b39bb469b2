package replication

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

var auditEvents = flag.Int("audit-events", 1_000_000, "how many events BenchmarkAuditQuery asks about")

// audited is a store with a long history: 1,000 namespaces in 50 teams, 200
// authors, a correlation ID for each write, every tenth write a transaction of 4.
// eve writes every 20,000th time, to team-7/svc-7 and the key rare.
func audited(b *testing.B, n int) (*disk.Store, *projections.State) {
	store, err := disk.Open(disk.Config{Dir: b.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	rng := rand.New(rand.NewPCG(1, 2))
	state, at := projections.Empty(), time.Unix(1_700_000_000, 0)
	decide := func(c events.Command, s events.Stamp) events.Proposal {
		s.Time, s.ID = at, ulid.Make()
		p, err := events.Rules{}.Decide(state, c, s)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	entry := uint64(0)
	commit := func(batch ...events.Proposal) {
		f := projections.Begin(state)
		entry++
		if _, err := f.Entry(projections.Origin{Index: entry, Term: 1}, batch); err != nil {
			b.Fatal(err)
		}
		if err := store.Write(f.Rows); err != nil {
			b.Fatal(err)
		}
		state = f.State()
	}
	put := func(ns, key string) events.PutEntry {
		return events.PutEntry{Namespace: ns, Key: key, Value: fmt.Appendf(nil, "%d", rng.Uint64())}
	}
	for i := 0; state.Index() < uint64(n); {
		var batch []events.Proposal
		for range 16 {
			i++
			at = at.Add(time.Millisecond)
			s := events.Stamp{Actor: fmt.Sprint("user-", rng.IntN(200)), CorrelationID: fmt.Sprint("corr-", i)}
			ns, key := fmt.Sprintf("team-%d/svc-%d", rng.IntN(50), rng.IntN(20)), fmt.Sprint("key-", rng.IntN(20))
			switch {
			case i%20_000 == 0:
				s.Actor = "eve"
				batch = append(batch, decide(put("team-7/svc-7", "rare"), s))
			case i%10 == 0:
				var tx events.Transact
				for k := range 4 {
					tx.Set = append(tx.Set, put(ns, fmt.Sprint("key-", k)))
				}
				batch = append(batch, decide(tx, s))
			default:
				batch = append(batch, decide(put(ns, key), s))
			}
		}
		commit(batch...)
	}
	return store, state
}

// What an audit query costs when there are very many events. The figures are
// printed; nothing is asserted.
func BenchmarkAuditQuery(b *testing.B) {
	if testing.Short() {
		b.Skip("builds a long history")
	}
	began := time.Now()
	store, state := audited(b, *auditEvents)
	b.Logf("%d events in %v", state.Index(), time.Since(began).Round(time.Second))
	h := func(index uint64) (*projections.History, func()) {
		r := store.At(index)
		return state.History(r, index), func() { _ = r.Close() }
	}
	whole, release := h(state.Index())
	middle, err := whole.Record(state.Index() / 2)
	if err != nil {
		b.Fatal(err)
	}
	e, err := middle.Event()
	if err != nil {
		b.Fatal(err)
	}
	var transaction string
	for r, err := range whole.RecordsBefore(0) {
		if err != nil {
			b.Fatal(err)
		}
		if e, _ := r.Event(); e.Transaction != "" {
			transaction = e.Transaction
			break
		}
	}
	release()
	for _, test := range []struct {
		name string
		q    projections.Query
	}{
		{"all", projections.Query{}},
		{"key", projections.Query{Namespace: "team-3/svc-3", Key: "key-3"}},
		{"key rare", projections.Query{Namespace: "team-7/svc-7", Key: "rare"}},
		{"actor", projections.Query{Actor: "user-17"}},
		{"actor rare", projections.Query{Actor: "eve"}},
		{"namespace", projections.Query{Namespace: "team-3/svc-3", Exact: true}},
		{"subtree", projections.Query{Namespace: "team-3"}},
		{"kind", projections.Query{Kinds: []events.Kind{"config.updated"}}},
		{"kind rare", projections.Query{Kinds: []events.Kind{"namespace.created"}}},
		{"kinds config", projections.Query{Kinds: []events.Kind{"config.created", "config.updated", "config.deleted", "config.rolled-back"}}},
		{"correlation", projections.Query{Correlation: e.CorrelationID}},
		{"transaction", projections.Query{Transaction: transaction}},
		{"request none", projections.Query{Request: "none"}},
		{"actor+subtree", projections.Query{Actor: "user-17", Namespace: "team-3"}},
		{"actor+namespace", projections.Query{Actor: "user-17", Namespace: "team-3/svc-3", Exact: true}},
		{"actor rare+subtree", projections.Query{Actor: "eve", Namespace: "team-7"}},
		{"actor rare+none", projections.Query{Actor: "eve", Namespace: "team-8"}},
		{"actor+kind", projections.Query{Actor: "user-17", Kinds: []events.Kind{"config.updated"}}},
		{"actor+kind rare", projections.Query{Actor: "user-17", Kinds: []events.Kind{"namespace.created"}}},
		{"key+actor", projections.Query{Namespace: "team-3/svc-3", Key: "key-3", Actor: "user-17"}},
		{"subtree+kind", projections.Query{Namespace: "team-3", Kinds: []events.Kind{"config.updated"}}},
	} {
		for _, order := range []string{"newest", "oldest"} {
			test.q.Ascending = order == "oldest"
			b.Run(test.name+"/"+order, func(b *testing.B) {
				found := 0
				for b.Loop() {
					found = 0
					h, release := h(state.Index())
					for _, err := range h.Select(test.q) {
						if err != nil {
							b.Fatal(err)
						}
						if found++; found == 50 {
							break
						}
					}
					release()
				}
				b.ReportMetric(float64(found), "events")
			})
		}
	}
}

// What a list as of some index costs, against one of now.
func BenchmarkListAsOf(b *testing.B) {
	store, state := audited(b, min(*auditEvents, 200_000))
	rng := rand.New(rand.NewPCG(3, 4))
	namespace := func() string { return fmt.Sprintf("team-%d/svc-%d", rng.IntN(50), rng.IntN(20)) }
	b.Run("now", func(b *testing.B) {
		entries := 0
		for b.Loop() {
			for range state.Entries(namespace()) {
				entries++
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
	})
	b.Run("then", func(b *testing.B) {
		entries := 0
		for b.Loop() {
			index := state.Index()/2 + rng.Uint64N(state.Index()/2)
			r := store.At(index)
			for _, err := range state.History(r, index).EntriesAfter(namespace(), "") {
				if err != nil {
					b.Fatal(err)
				}
				entries++
			}
			_ = r.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
	})
}
