package dashboard

import (
	"fmt"
	"net/http"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// What was there before comes back from wherever one finds it: a version from the
// history, a deleted key from its page, a namespace from the slider, a change from
// the audit trail, each after a look at what it does; and a value says why it is so.
func TestThePastComesBack(t *testing.T) {
	w := newWorld(t, 1)
	p := w.signIn("carol", w.first(), "/ui/overview", "status of 409")
	p.isLive()
	w.restoreVersion(p)
	w.bringBack(p)
	w.rollBack(p)
	w.revert(p)
	w.explain(p)
}

// entry is a key as it is now.
func (w *world) entry(namespace, key string) wire.ConfigEntry {
	w.t.Helper()
	return decode[wire.ConfigEntry](w.t, w.do("admin", http.MethodGet, "/api/v1/namespaces/"+namespace+"/config/"+key, nil))
}

func (w *world) restoreVersion(p *person) {
	w.t.Helper()
	for _, size := range []int{20, 25, 30} {
		w.set("ann", "teams/pay", "pool/size", size)
	}
	p.open("/ui/ns/teams/pay/config/pool/size?tab=history")
	p.Finds("heading", "From v2 to v3")
	p.Click("radio", "Compare from version 1")
	p.Finds("heading", "From v1 to v3")
	p.Await("shows the difference of v1 and v3", `((text) => text.includes('20') && text.includes('30') && !text.includes('25'))(document.querySelector('section[aria-label="From v1 to v3"]').innerText)`)
	p.Click("button", "Restore version 1")
	p.Sees("It is written at once")
	p.Await("shows what it does", `/30[^]*20/.test(document.querySelector('dialog .diff, dialog .body').innerText)`)
	if e := w.entry("teams/pay", "pool/size"); e.Version != 3 {
		w.t.Errorf("looking at what it would do has written version %d", e.Version)
	}
	p.Fill("Comment", "too many connections")
	p.Click("button", "=Restore")
	p.Sees("v1 is back as v4.")
	if e := w.entry("teams/pay", "pool/size"); string(e.Value) != "20" || e.Version != 4 || e.UpdatedBy != "carol" {
		w.t.Errorf("restored is %+v", e)
	}
	p.Sees("too many connections")
	p.Misses("Restore version 4")
}

func (w *world) bringBack(p *person) {
	w.t.Helper()
	w.set("ann", "teams/pay", "old/flag", "on")
	p.open("/ui/ns/teams/pay/config/old/flag")
	p.Await("shows the value", shows("on"))
	w.do("bob", http.MethodDelete, "/api/v1/namespaces/teams/pay/config/old/flag", nil)
	p.Sees("This key is deleted")
	p.Sees("bob deleted it")
	p.Await("shows the last value", shows("on"))
	p.Click("button", "Bring it back")
	p.Finds("dialog", "Restore v1 of old/flag")
	p.Click("button", "=Restore")
	p.Misses("This key is deleted")
	p.Finds("link", "Edit")
	p.Await("shows the value again", shows("on"))
	if e := w.entry("teams/pay", "old/flag"); string(e.Value) != `"on"` || e.Version != 3 {
		w.t.Errorf("brought back is %+v", e)
	}
}

func (w *world) rollBack(p *person) {
	w.t.Helper()
	w.set("ann", "past", "a", 1)
	w.set("ann", "past", "b", "two")
	then := w.entry("past", "b").Index
	w.set("ann", "past", "a", 9)
	w.do("ann", http.MethodDelete, "/api/v1/namespaces/past/config/b", nil)
	w.set("ann", "past", "c", true)
	p.open(fmt.Sprintf("/ui/ns/past/time?at=%d", then))
	p.Click("button", "Roll the namespace back to here")
	p.Finds("dialog", "Roll past back")
	p.Sees("3 keys change, all at once")
	p.Fill("Comment", "as of this morning")
	p.Click("button", "=Roll back")
	p.Await("now is shown", "location.search === ''")
	p.Sees("Done: 3 keys changed")
	got := ""
	for _, e := range decode[[]wire.ConfigEntry](w.t, w.do("admin", http.MethodGet, "/api/v1/namespaces/past/config", nil)) {
		got += fmt.Sprintf("%s=%s %s\n", e.Key, e.Value, e.UpdatedBy)
	}
	if want := "a=1 carol\nb=\"two\" carol\n"; got != want {
		w.t.Errorf("rolled back is\n%swanted is\n%s", got, want)
	}
	p.Await("the page has it, too", `[...document.querySelectorAll('main .asof-key')].map((k) => k.textContent).join() === 'a,b'`)
}

func (w *world) revert(p *person) {
	w.t.Helper()
	w.set("ann", "teams/pay", "limit", 5)
	w.set("bob", "teams/pay", "limit", 6)
	p.open("/ui/audit?namespace=teams/pay&key=limit")
	p.Click("button", "bob changed")
	p.Click("button", "Revert this change")
	p.Sees("1 key changes")
	p.Click("button", "=Revert")
	p.Sees("Done: 1 key changed")
	if e := w.entry("teams/pay", "limit"); string(e.Value) != "5" || e.Version != 3 {
		w.t.Errorf("reverted is %+v", e)
	}
	p.Finds("button", "carol") // the event has arrived on top
	w.set("ann", "teams/pay", "limit", 7)
	p.Click("button", "Revert this change")
	p.Sees("something changed since")
	if browser.Eval[bool](p.Page, `[...document.querySelectorAll('dialog button')].find((b) => b.textContent.startsWith('Revert')).getAttribute('aria-disabled') !== 'true'`) {
		w.t.Error("what cannot be reverted can be reverted")
	}
	p.Click("button", "Cancel")
}

func (w *world) explain(p *person) {
	w.t.Helper()
	w.set("ann", "shop/prod", "replicas", 6)
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/prod/settings", map[string]any{"requireApproval": true, "minApprovers": 2})
	r := w.submit("ann", "More room for the sale", map[string]any{"replicas": 8})
	for _, who := range []string{"bob", "carol"} {
		w.do(who, http.MethodPost, "/api/v1/publish-requests/"+r.ID+"/approve", nil)
	}
	p.open("/ui/ns/shop/prod/config/replicas?tab=why")
	p.Sees("ann wrote it, and a publish request published it")
	p.Sees("Approved by bob, carol")
	p.Sees("“More room for the sale”")
	p.Click("link", "More room for the sale")
	p.Await("the request is shown", "location.pathname === "+quoted("/ui/requests/"+r.ID))
	p.Finds("heading", "More room for the sale")
}
