package dashboard

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// streams are the watches that somebody has at the node, by connection.
func (w *world) streams(who string) map[string][]wire.Watching {
	w.t.Helper()
	found := map[string][]wire.Watching{}
	for _, one := range decode[[]wire.Watching](w.t, w.ask(w.first(), "admin", http.MethodGet, "/api/v1/watches?limit=1000", nil)) {
		if one.Principal == who {
			connection, _, _ := strings.Cut(one.ID, "/")
			found[connection] = append(found[connection], one)
		}
	}
	return found
}

// tab is a page and its heading.
type tab struct{ path, heading string }

// tabs opens several pages of somebody in one browser.
func (w *world) tabs(who string, pages ...tab) []*person {
	w.t.Helper()
	b := w.chromium.Person()
	var all []*person
	for i, page := range pages {
		p := &person{b.Strict(url(w.first(), page.path), noise()...), w, who, w.first()}
		if i == 0 {
			p.Fill("API key", w.keys[who])
			p.Click("button", "Sign in")
		}
		p.isLive()
		p.Finds("heading", page.heading)
		all = append(all, p)
	}
	return all
}

// Tabs of a browser have one stream between them, and each what it wants to know; a
// tab that goes leaves the others alone, and its watches end. When the browser ends
// the worker that has the stream, the tabs go on with another.
func TestTabsShareOneStream(t *testing.T) {
	w := newWorld(t, 1)
	w.set("admin", "teams/pay", "pool", 20)
	tabs := w.tabs("dave", tab{"/ui/ns/teams/pay/config/pool", "pool"}, tab{"/ui/ns/teams/pay", "pay"}, tab{"/ui/feed", "Live feed"})
	see := func(value int, tabs []*person) {
		t.Helper()
		w.set("admin", "teams/pay", "pool", value)
		for _, tab := range tabs {
			tab.Sees(fmt.Sprint(value))
		}
	}
	see(4711, tabs)
	before := w.streams("dave")
	if len(before) != 1 {
		t.Fatalf("three tabs have %d connections: %+v", len(before), before)
	}
	ofKey := func() bool {
		return slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(w.streams("dave")))...), func(one wire.Watching) bool { return one.Key == "pool" })
	}
	if !ofKey() {
		t.Errorf("nothing watches the key that a tab shows: %+v", before)
	}

	tabs[0].Close()
	await(t, "the watches of the closed tab to end", func() error {
		if ofKey() {
			return fmt.Errorf("there are %+v", w.streams("dave"))
		}
		return nil
	})
	see(4712, tabs[1:])
	after := w.streams("dave")
	for connection := range before {
		if len(after) != 1 || len(after[connection]) == 0 {
			t.Errorf("the stream is another: %+v, before that %+v", after, before)
		}
	}

	tabs[1].EndWorkers()
	see(4713, tabs[1:])
}

// own has a page do without a shared worker, and lets the test cut its stream.
const own = `
	delete globalThis.SharedWorker;
	globalThis.sockets = [];
	globalThis.WebSocket = class extends WebSocket {
		constructor(...args) { if (globalThis.isCut) throw new Error('cut by the test'); super(...args); sockets.push(this); }
	};
	globalThis.cut = () => { isCut = true; sockets.splice(0).forEach((s) => s.close()); return true; };
	globalThis.isCut = false;`

// Who was away for longer than the node keeps events sees what is true all the same,
// and what comes after.
func TestWhoWasAwayTooLongSeesATruePage(t *testing.T) {
	w := newWorld(t, 1, "--retention-events", "100", "--retention-watch", "0s")
	w.set("admin", "teams/pay", "pool", 20)
	pages := []tab{{"/ui/ns/teams/pay/config/pool", "pool"}, {"/ui/ns/teams/pay", "pay"}, {"/ui/feed", "Live feed"}}
	tabs := w.tabs("dave", pages...)
	for i, p := range tabs {
		p.Before(own)
		p.Go(url(w.first(), pages[i].path))
		p.isLive()
		p.Finds("heading", pages[i].heading)
		browser.Eval[bool](p.Page, "cut()")
	}
	w.set("admin", "teams/pay", "pool", 4711)
	w.forget()
	for _, p := range tabs {
		browser.Eval[bool](p.Page, "(isCut = false, true)")
	}
	for i, text := range []string{"4711", "4711", "some are not here"} {
		tabs[i].Sees(text)
	}
	w.set("admin", "teams/pay", "pool", 4712)
	for _, p := range tabs {
		p.Sees("4712")
	}
}

// forget writes until what is the newest event now is no longer kept.
func (w *world) forget() {
	w.t.Helper()
	newest := decode[wire.Cluster](w.t, w.ask(w.first(), "admin", http.MethodGet, "/api/v1/cluster", nil)).EventIndex
	round := 0
	await(w.t, "the history to be trimmed", func() error {
		round++
		var sets []map[string]any
		for i := range 50 {
			sets = append(sets, map[string]any{"namespace": "filling", "key": fmt.Sprint("k", i), "value": round})
		}
		w.do("admin", http.MethodPost, "/api/v1/transactions", map[string]any{"set": sets})
		if oldest := decode[wire.Cluster](w.t, w.ask(w.first(), "admin", http.MethodGet, "/api/v1/cluster", nil)).Oldest; oldest <= newest {
			return fmt.Errorf("it begins at %d, and is to begin after %d", oldest, newest)
		}
		return nil
	})
}
