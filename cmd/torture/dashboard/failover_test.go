package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
	"confman/cmd/torture/lab"
)

// feedRows are the event indexes that the live feed shows.
const feedRows = `[...document.querySelectorAll('main .virtual [data-index]')].map((row) => Number(row.dataset.index))`

// The page is open at the leader when that is killed; others lead and write on.
// The page says that its node is gone, comes back by itself with it, and has
// missed nothing and shows nothing twice.
func TestThePageMissesNothingWhenItsLeaderIsKilled(t *testing.T) {
	w := newWorld(t, 3)
	leader, err := w.lab.Leader(w.patient())
	w.must(err)
	p := w.signIn("admin", leader, "/ui/feed", noise()...)
	p.View(1360, 2400) // all rows are in sight
	p.isLive()
	w.set("ann", "app", "before", 1)
	p.Await("the first event is there", feedRows+".length > 0")
	first := slices.Min(browser.Eval[[]uint64](p.Page, feedRows))
	for i := range 5 {
		w.set("ann", "app", fmt.Sprintf("before-%d", i), i)
	}

	leader.Kill9()
	p.Sees("does not answer")
	next, err := w.lab.Leader(w.patient(), leader)
	w.must(err)
	for i := range 20 {
		w.ask(next, "ann", http.MethodPut, fmt.Sprintf("/api/v1/namespaces/app/config/meanwhile-%d", i), map[string]any{"value": i})
	}
	w.must(leader.Start())
	w.must(w.lab.AwaitReady(w.patient(), leader))
	w.set("ann", "app", "after", 1)

	wanted := w.indexes(next, first)
	p.Await("the last event is there", fmt.Sprintf("%s.includes(%d)", feedRows, wanted[len(wanted)-1]))
	p.isLive()
	p.Misses("does not answer")
	got := browser.Eval[[]uint64](p.Page, feedRows)
	slices.Sort(got)
	if !slices.Equal(got, wanted) {
		t.Errorf("the feed shows the events %v, the history since then has %v", got, wanted)
	}
}

// indexes are all events that the admin may see, from one on.
func (w *world) indexes(n *lab.Node, from uint64) (all []uint64) {
	w.t.Helper()
	text := w.ask(n, "admin", http.MethodGet, fmt.Sprintf("/api/v1/audit?after=%d&order=asc&limit=1000", from-1), nil)
	for _, e := range decode[[]wire.AuditEvent](w.t, text) {
		all = append(all, e.Index)
	}
	return all
}

// shows is JavaScript that is true while the key's page shows a value.
func shows(value string) string {
	return "document.querySelector('main .value-block')?.textContent === " + quoted(value)
}

// At a follower everything works as at the leader: the node takes writes there.
// Without a quorum values are shown, and said to be old, and a write says why it
// cannot be; with the quorum all is well again by itself.
func TestAFollowersPageAndAPageWithoutQuorum(t *testing.T) {
	w := newWorld(t, 3)
	w.set("ann", "teams/pay", "pool", 20)
	leader, err := w.lab.Leader(w.patient())
	w.must(err)
	follower := w.lab.Others(leader)[0]
	p := w.signIn("ann", follower, "/ui/ns/teams/pay/config/pool?edit=1", noise()...)
	p.isLive()
	p.save("pool", "30")
	p.Await("shows the new value", shows("30"))

	for _, n := range w.lab.Others(follower) {
		n.Kill9()
	}
	p.Sees("No leader is known here")
	p.open("/ui/ns/teams/pay/config/pool?tab=history")
	p.open("/ui/ns/teams/pay/config/pool")
	p.Await("still shows the value", shows("30"))
	p.open("/ui/overview")
	p.Finds("heading", "Overview")
	p.open("/ui/ns/teams/pay/config/pool?edit=1")
	p.trySave("pool", "40")
	p.Await("says why not", `[...document.querySelectorAll('dialog [role=alert]')].some((a) => /leader|quorum/i.test(a.innerText))`)

	for _, n := range w.lab.Others(follower) {
		w.must(n.Start())
	}
	w.must(w.lab.AwaitReady(w.patient()))
	p.Misses("No leader is known here")
	p.Click("button", "Save version")
	p.Await("the editor is left", `!location.search.includes('edit=1')`)
	p.Await("shows what was typed without a quorum", shows("40"))
}
