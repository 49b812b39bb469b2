package dashboard

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// trySave changes a key's value in its editor and asks for it to be saved at once.
func (p *person) trySave(key, value string) {
	p.world.t.Helper()
	p.Finds("heading", key)
	p.Fill("Value", value)
	p.Click("button", "Review change")
	p.Finds("dialog", "Review the change")
	p.Click("button", "Save version")
}

// save is trySave, which works.
func (p *person) save(key, value string) {
	p.world.t.Helper()
	p.trySave(key, value)
	p.Await("the editor is left", `!location.search.includes('edit=1')`)
}

// govern has changes of shop/prod reviewed by two.
func (w *world) govern() {
	w.t.Helper()
	w.set("ann", "shop/prod", "replicas", 6)
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/prod/settings", map[string]any{"requireApproval": true, "minApprovers": 2})
}

// Ann proposes, Bob and Carol review, each in a browser of their own, and each sees
// what the others do without touching anything.
func TestThreePeopleReviewAndSeeEachOther(t *testing.T) {
	w := newWorld(t, 1)
	w.govern()
	n := w.first()
	bob := w.signIn("bob", n, "/ui/requests?view=waiting")
	bob.Sees("Nothing waits for you")
	bob.isLive()
	dave := w.signIn("dave", n, "/ui/ns/shop/prod/config/replicas")
	dave.isLive()

	ann := w.signIn("ann", n, "/ui/ns/shop/prod/config/replicas?edit=1")
	ann.Fill("Value", "8")
	ann.Click("button", "Review change")
	ann.Fill("What is this for", "More room for the sale")
	ann.Click("button", "Submit for review")
	ann.Await("the request is there", `location.pathname.startsWith('/ui/requests/')`)
	ann.Finds("heading", "More room for the sale")
	path := browser.Eval[string](ann.Page, "location.pathname")
	if browser.Eval[bool](ann.Page, `[...document.querySelectorAll('button')].find((b) => b.textContent.startsWith('Approve'))?.getAttribute('aria-disabled') !== 'true'`) {
		t.Error("ann may approve her own request")
	}

	bob.Click("link", "More room for the sale")
	bob.Sees("0 of 2")
	bob.Click("button", "Approve")
	bob.Fill("Comment", "The pool has room")
	bob.Click("button", "=Approve")
	bob.Sees("1 of 2")
	ann.Sees("bob approved")
	ann.Sees("The pool has room")

	carol := w.signIn("carol", n, path)
	carol.Sees("The pool has room")
	carol.Click("button", "Approve")
	carol.Sees("Yours is the last approval")
	carol.Click("button", "=Approve")
	for _, p := range []*person{ann, bob, carol} {
		p.Await(p.name+" sees it published", `[...document.querySelectorAll('main .chip')].some((c) => c.textContent === 'Published')`)
	}
	ann.Sees("carol")
	dave.Await("dave sees the value", `document.querySelector('main .value-block')?.textContent === '8'`)
	entry := decode[wire.ConfigEntry](t, w.do("dave", http.MethodGet, "/api/v1/namespaces/shop/prod/config/replicas", nil))
	if string(entry.Value) != "8" || entry.Version != 2 {
		t.Errorf("published is %s, version %d", entry.Value, entry.Version)
	}
}

// The events of a request that changes what lies far apart are about no namespace;
// its reviewers are told of them all the same.
func TestARequestOverSeveralNamespacesIsLive(t *testing.T) {
	w := newWorld(t, 1)
	w.govern()
	w.set("ann", "teams/pay", "pool", 20)
	request := decode[wire.PublishRequest](t, w.do("ann", http.MethodPost, "/api/v1/publish-requests", map[string]any{"changes": []map[string]any{
		{"namespace": "shop/prod", "key": "replicas", "value": 8}, {"namespace": "teams/pay", "key": "pool", "value": 40},
	}, "comment": "For the sale"}))
	bob := w.signIn("bob", w.first(), "/ui/requests/"+request.ID)
	bob.Finds("heading", "For the sale")
	bob.isLive()
	w.do("carol", http.MethodPost, "/api/v1/publish-requests/"+request.ID+"/approve", nil)
	bob.Await("bob is told", `document.querySelector('.news')?.textContent.includes('carol approved')`)
	bob.Sees("1 of 2")
	w.do("ann", http.MethodPost, "/api/v1/publish-requests/"+request.ID+"/withdraw", nil)
	bob.Await("bob is told of the end", `document.querySelector('.news')?.textContent.includes('ann withdrew')`)
}

// Bob rejects with the keyboard alone what Ann proposed with hers: nobody touches a
// mouse.
func TestTheReviewByKeyboardAlone(t *testing.T) {
	w := newWorld(t, 1)
	w.govern()
	n := w.first()
	ann := w.signIn("ann", n, "/ui/overview")
	ann.isLive()
	ann.PressWith(chromedp.ModifierCtrl, "k")
	ann.Await("the palette is open", `document.activeElement?.getAttribute('role') === 'combobox'`)
	ann.Press("r", "e", "p", "l", "i", "c", "a")
	ann.Await("the key is found", `document.querySelector('[role=option][aria-selected=true]')?.textContent.includes('shop/prod/replicas')`)
	ann.Press(kb.Enter)
	ann.Finds("heading", "replicas")
	ann.Await("it may be edited", `document.querySelector('main [data-key=e]:not([aria-disabled])') !== null`)
	ann.Press("e")
	ann.Finds("textbox", "Value")
	ann.reach("Value")
	ann.PressWith(chromedp.ModifierCtrl, "a")
	ann.Press("9")
	ann.PressWith(chromedp.ModifierCtrl, kb.Enter)
	ann.Finds("dialog", "Review the change")
	ann.reach("What is this for")
	ann.Press("s", "a", "l", "e")
	ann.PressWith(chromedp.ModifierCtrl, kb.Enter)
	ann.Await("the request is there", `location.pathname.startsWith('/ui/requests/')`)

	bob := w.signIn("bob", n, "/ui/overview")
	bob.isLive()
	bob.Press("g", "r")
	bob.Finds("heading", "Publish requests")
	bob.Finds("link", "sale")
	bob.reach("sale")
	bob.Press(kb.Enter)
	bob.Await("it may be rejected", `document.querySelector('main [data-key=r]:not([aria-disabled])') !== null`)
	bob.Press("r")
	bob.Finds("dialog", "Reject")
	bob.reach("Why?")
	bob.Press("n", "o")
	bob.reach("=Reject")
	bob.Press(kb.Enter)
	bob.Await("it is rejected", `[...document.querySelectorAll('main .chip')].some((c) => c.textContent === 'Rejected')`)
	ann.Await("ann sees it", `[...document.querySelectorAll('main .chip')].some((c) => c.textContent === 'Rejected')`)
}

// reach presses Tab until the focus is on what has the name.
func (p *person) reach(name string) {
	p.world.t.Helper()
	whole := strings.HasPrefix(name, "=")
	name = strings.TrimPrefix(name, "=")
	on := `(() => { let el = document.activeElement; while (el?.shadowRoot?.activeElement) el = el.shadowRoot.activeElement;
		const text = globalThis.hands.name(el); return ` + map[bool]string{true: "text === ", false: "text.startsWith("}[whole] + quoted(name) + map[bool]string{true: "", false: ")"}[whole] + `; })()`
	p.Finds("button", "") // the finders are there
	for range 80 {
		if browser.Eval[bool](p.Page, on) {
			return
		}
		p.Press(kb.Tab)
	}
	p.world.t.Fatalf("%s: Tab does not come to %q; the focus is on %s", p.name, name, browser.Eval[string](p.Page, "document.activeElement.outerHTML.slice(0, 200)"))
}

// Two edit one key: who saves second is shown both changes and loses nothing.
func TestAnEditThatMeetsAnother(t *testing.T) {
	w := newWorld(t, 1)
	path := "/api/v1/namespaces/teams/pay/config/limits"
	w.do("ann", http.MethodPut, path, map[string]any{"value": `{"daily": 100, "methods": ["card"], "account": 12345678901234567}`, "type": "json"})
	n := w.first()
	ann := w.signIn("ann", n, "/ui/ns/teams/pay/config/limits?edit=1")
	ann.Await("the editor is there", `document.querySelector('main .editor')?.view !== undefined`)
	ann.write(`{"daily": 100, "methods": ["card", "sepa"], "account": 12345678901234567}`)

	w.do("bob", http.MethodPut, path, map[string]any{"value": `{"daily": 250, "methods": ["card"], "account": 12345678901234567}`, "type": "json"})
	ann.Sees("bob changed this to v2")
	ann.Sees("The two do not touch the same place")
	ann.Click("button", "Use both, merged")
	ann.Click("button", "Review change")
	ann.Click("button", "Save version 3")
	ann.Await("the editor is left", `!location.search.includes('edit=1')`)
	if merged := w.text(path); merged != `{"daily":250,"methods":["card","sepa"],"account":12345678901234567}` {
		t.Errorf("merged is %s", merged)
	}

	ann.open("/ui/ns/teams/pay/config/limits?edit=1")
	ann.Await("the editor is there again", `document.querySelector('main .editor')?.view !== undefined`)
	ann.write(`{"daily": 300}`)
	w.do("bob", http.MethodPut, path, map[string]any{"value": `{"daily": 400}`, "type": "json"})
	ann.Sees("Both changed")
	ann.Click("button", "Yours")
	ann.Click("button", "Use both, merged")
	ann.Click("button", "Review change")
	ann.Click("button", "Save version 5")
	ann.Await("the editor is left again", `!location.search.includes('edit=1')`)
	if mine := w.text(path); mine != `{"daily":300}` {
		t.Errorf("what ann chose is %s", mine)
	}
}

// write puts a text into the open code editor.
func (p *person) write(text string) {
	p.world.t.Helper()
	browser.Eval[bool](p.Page, `(() => { const v = document.querySelector('main .editor').view; v.dispatch({changes: {from: 0, to: v.state.doc.length, insert: `+quoted(text)+`}}); return true; })()`)
}

// text is the bare value of an entry, without the blanks of JSON.
func (w *world) text(path string) string {
	w.t.Helper()
	return strings.NewReplacer(" ", "", "\n", "").Replace(string(decode[wire.ConfigEntry](w.t, w.do("admin", http.MethodGet, path, nil)).Value))
}
