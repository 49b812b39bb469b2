package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// seenWithin is the promise: from the write to the page.
const seenWithin = 200 * time.Millisecond

// What the command line writes is on the page that shows it. The time is that
// from the event's own, which is before its commit, to the change of the page;
// half of the writes keep the promise even where a busy machine delays some.
func TestAValueChangesInSight(t *testing.T) {
	w := newWorld(t, 1)
	n := w.first()
	w.set("admin", "teams/pay", "pool", 0)
	p := w.signIn("dave", n, "/ui/ns/teams/pay/config/pool")
	p.isLive()
	p.Finds("heading", "pool")
	browser.Eval[bool](p.Page, `(() => {
		globalThis.shown = {};
		const look = () => { const text = document.querySelector('main .value-block')?.textContent; if (text && !(text in shown)) shown[text] = Date.now(); };
		new MutationObserver(look).observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	var delays []time.Duration
	for i := range 7 {
		value := fmt.Sprint(1000 + i)
		said, err := n.Confman(w.patient(), "set", "teams/pay", "pool", value, "--type", "number")
		w.must(err)
		if said.Code != 0 {
			t.Fatalf("confman set: %+v", said)
		}
		p.Await("shows "+value, fmt.Sprintf("%q in shown", value))
		events := decode[[]wire.AuditEvent](t, w.do("admin", http.MethodGet, "/api/v1/audit?namespace=teams/pay&key=pool&limit=1", nil))
		at := time.UnixMilli(browser.Eval[int64](p.Page, fmt.Sprintf("shown[%q]", value)))
		delays = append(delays, at.Sub(events[0].Timestamp.Truncate(time.Millisecond)))
	}
	slices.Sort(delays)
	t.Logf("from the write to the page: %v", delays)
	if median := delays[len(delays)/2]; median > seenWithin {
		t.Errorf("a change was seen after %v (median of %v), promised are %v", median, delays, seenWithin)
	}
}
