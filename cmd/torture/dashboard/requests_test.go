package dashboard

import (
	"fmt"
	"net/http"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// Requests end in all the ways that they can, each by acts in the pages: scheduled
// and withdrawn, rejected, approved after what they replace has moved, published
// without approvals.
func TestRequestsTakeAllTheirWays(t *testing.T) {
	w := newWorld(t, 1)
	for _, replicas := range []int{5, 6} {
		w.set("ann", "shop/prod", "replicas", replicas)
	}
	w.set("ann", "shop/api", "limit", 100)
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/settings", map[string]any{"requireApproval": true, "allowBypass": true})
	w.do("ann", http.MethodPut, "/api/v1/namespaces/shop/prod/drafts/replicas", map[string]any{"value": 8})
	w.do("ann", http.MethodPut, "/api/v1/namespaces/shop/api/drafts/limit", map[string]any{"value": 200})
	ann := w.signIn("ann", w.first(), "/ui/drafts")
	bob := w.signIn("bob", w.first(), "/ui/requests?view=open", "status of 409")
	bob.isLive()
	w.scheduleAndWithdraw(ann, bob)
	w.reject(ann, bob)
	w.approveWhatMoved(ann, bob)
	w.bypass()
}

// submitDrafts submits all drafts that ann has, together.
func (p *person) submitDrafts(comment, at string) (path string) {
	p.world.t.Helper()
	p.open("/ui/drafts")
	p.Click("checkbox", "All (0 of 2 chosen)")
	p.Click("button", "=Submit for review")
	p.Finds("dialog", "Submit 2 changes for review")
	p.Fill("What is this for", comment)
	if at != "" {
		p.Choose("Publish not before", at)
	}
	p.Click("button", "=Submit for review")
	p.Await("the request is there", `location.pathname.startsWith('/ui/requests/')`)
	p.Finds("heading", comment)
	return browser.Eval[string](p.Page, "location.pathname")
}

// is waits until a request's page says what it is.
func (p *person) is(state string) {
	p.world.t.Helper()
	p.Await(p.name+" sees it as "+state, fmt.Sprintf(`[...document.querySelectorAll('main header .chip')].some((c) => c.textContent === %q)`, state))
}

func (w *world) scheduleAndWithdraw(ann, bob *person) {
	w.t.Helper()
	ann.submitDrafts("For the sale", "2099-11-23T06:30")
	ann.Sees("Not published before")
	bob.Click("link", "For the sale")
	bob.Click("button", "Approve")
	bob.Sees("Yours is the last approval: it is published")
	bob.Click("button", "=Approve")
	ann.is("Scheduled")
	ann.Sees("It has its approvals.")
	bob.open("/ui/requests?view=open")
	bob.Await("the queue shows its time", `[...document.querySelectorAll('main .queue time')].some((t) => (t.textContent + t.title + t.getAttribute('datetime')).includes('2099'))`)
	ann.Click("button", "More about this request")
	ann.Click("menuitem", "Withdraw")
	ann.Sees("Its approvals are lost.")
	ann.Click("button", "=Withdraw")
	ann.is("Withdrawn")
	bob.Sees("No request is open")
	if e := w.entry("shop/prod", "replicas"); string(e.Value) != "6" {
		w.t.Errorf("withdrawn, the value is %s", e.Value)
	}
}

func (w *world) reject(ann, bob *person) {
	w.t.Helper()
	path := ann.submitDrafts("Once more", "")
	w.locked(ann)
	ann.open(path)
	bob.Click("link", "Once more")
	bob.Click("button", "Reject")
	bob.Finds("button", "Reject (A comment is needed)")
	bob.Fill("Why? ann reads it.", "Not before the audit")
	bob.Click("button", "=Reject")
	ann.is("Rejected")
	ann.Sees("Not before the audit")
	ann.open("/ui/drafts")
	ann.Finds("checkbox", "All (0 of 2 chosen)") // they are drafts again
}

// locked sees that what is under review is not changed beside it.
func (w *world) locked(ann *person) {
	w.t.Helper()
	again := map[string]any{"changes": []map[string]any{{"namespace": "shop/prod", "key": "replicas", "value": 9}}}
	if status, text := w.try(w.first(), "carol", http.MethodPost, "/api/v1/publish-requests", again); status != http.StatusConflict {
		w.t.Errorf("a second request for a key under review: %d: %s", status, text)
	}
	ann.open("/ui/ns/shop/prod/config/replicas?edit=1")
	ann.Sees("Another open request changes this key too")
	ann.Fill("Value", "9")
	ann.Click("button", "Review change")
	ann.Await("it cannot be proposed", `['now', 'submit', 'draft'].every((way) => document.querySelector('dialog input[value=' + way + ']')?.disabled) && /under review/.test(document.querySelector('dialog').innerText)`)
	ann.Click("button", "Back to editing")
	ann.Accept() // that what was typed is left
}

func (w *world) approveWhatMoved(ann, bob *person) {
	w.t.Helper()
	path := ann.submitDrafts("At last", "")
	bob.open(path)
	bob.Click("button", "Approve")
	bob.Sees("Yours is the last approval")
	w.do("carol", http.MethodPost, "/api/v1/namespaces/shop/prod/rollback/replicas", wire.Rollback{ToVersion: 1})
	bob.Click("button", "=Approve")
	bob.Sees("It changed since you looked")
	bob.Sees("live: v2 → v3")
	if e := w.entry("shop/prod", "replicas"); string(e.Value) != "5" {
		w.t.Errorf("nobody has approved this: %s", e.Value)
	}
	bob.Click("button", "Approve as it is now")
	ann.is("Published")
	bob.is("Published")
	if prod, api := w.entry("shop/prod", "replicas"), w.entry("shop/api", "limit"); string(prod.Value) != "8" || string(api.Value) != "200" {
		w.t.Errorf("published are %s and %s", prod.Value, api.Value)
	}
}

func (w *world) bypass() {
	w.t.Helper()
	r := w.submit("ann", "The shop is down", map[string]any{"replicas": 12})
	admin := w.signIn("admin", w.first(), "/ui/requests/"+r.ID)
	admin.Click("button", "More about this request")
	admin.Click("menuitem", "Publish without approvals")
	admin.Sees("1 key changes at once with 0 of 1 approvals")
	admin.Fill("Reason", "Nobody else is awake")
	admin.Finds("button", "Publish now (Type bypass first)")
	admin.Fill("Type bypass", "bypass")
	admin.Click("button", "=Publish now")
	admin.is("Published")
	admin.is("without its approvals")
	admin.Sees("Nobody else is awake")
	if e := w.entry("shop/prod", "replicas"); string(e.Value) != "12" {
		w.t.Errorf("bypassed is %s", e.Value)
	}
}
