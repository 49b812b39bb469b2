package dashboard

import (
	"net/http"
	"strings"
	"testing"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// An admin sets in the page what holds for a namespace: a schema, which is tried on
// what is live first, the need for approvals, a freeze, roles. Whoever edits there
// meets it at once.
func TestPoliciesAreSetInThePageAndMetInTheEditor(t *testing.T) {
	w := newWorld(t, 1)
	w.set("ann", "rules", "pool", 500)
	admin := w.signIn("admin", w.first(), "/ui/ns/rules/schema", "status of 422")
	admin.isLive()
	w.schemaInThePage(admin)
	ann := w.signIn("ann", w.first(), "/ui/ns/rules/config/pool?edit=1", "status of 422")
	w.schemaInTheEditor(ann)
	w.approvalsAndFreeze(admin, ann)
	w.roles(admin)
}

func (w *world) schemaInThePage(p *person) {
	w.t.Helper()
	p.Click("button", "Write one")
	p.Await("the editor is there", `document.querySelector('main .editor')?.view !== undefined`)
	p.write(`{"type":"object","properties":{"pool":{"type":"integer","maximum":100,"title":"Pool","description":"How many connections are kept open"},"mode":{"enum":["fast","safe"]}}}`)
	p.Click("button", "=Back-test")
	p.Sees("Live values in 1 namespace break it")
	p.Sees("/pool")
	p.Click("button", "Look at the change")
	p.Click("button", "Save the schema")
	p.Sees("Live values break it")
	p.Await("says where", `[...document.querySelectorAll('dialog [role=alert]')].some((a) => a.innerText.includes('/pool'))`)
	if own := w.do("admin", http.MethodGet, "/api/v1/namespaces/rules/schema", nil); strings.Contains(own, "maximum") {
		w.t.Errorf("a schema that live values break was saved: %s", own)
	}
	p.Click("checkbox", "Save it although live values break it")
	p.Click("button", "Save all the same")
	p.Sees("Saved: event")
	if own := w.do("admin", http.MethodGet, "/api/v1/namespaces/rules/schema", nil); !strings.Contains(own, "maximum") {
		w.t.Errorf("the schema is not saved: %s", own)
	}
}

func (w *world) schemaInTheEditor(p *person) {
	w.t.Helper()
	p.Sees("How many connections are kept open")
	p.Fill("Value", "5000")
	p.Await("says what is wrong", `document.querySelector('main ul[aria-label="What is wrong"]')?.innerText.includes('100') === true`)
	p.Click("button", "Review change")
	p.Await("it cannot be saved", `['now', 'submit'].every((way) => document.querySelector('dialog input[value=' + way + ']').disabled) && /The node would refuse/.test(document.querySelector('dialog').innerText)`)
	p.Finds("button", "Save draft") // what is not good yet may be kept
	p.Click("button", "Back to editing")
	p.Fill("Value", "50")
	p.Await("nothing is wrong", `document.querySelector('main ul[aria-label="What is wrong"]') === null`)
	p.Click("button", "Review change")
	p.Click("button", "=Save version 2")
	p.Await("the editor is left", `!location.search.includes('edit=1')`)
	p.Await("shows the new value", shows("50"))

	p.open("/ui/ns/rules/config/mode?edit=1")
	p.Choose("Value", "safe") // one of those that the schema allows
	p.Click("button", "Review change")
	p.Click("button", "=Create")
	p.Await("shows what was chosen", shows("safe"))
}

func (w *world) approvalsAndFreeze(admin, ann *person) {
	w.t.Helper()
	admin.open("/ui/ns/rules/settings")
	admin.Click("button", "Edit")
	admin.Choose("Changes need approval", "true")
	admin.Click("button", "Look at the change")
	admin.Click("button", "Save the settings")
	admin.Await("it is saved", `document.querySelector('dialog[open]') === null`)

	ann.open("/ui/ns/rules/config/pool?edit=1")
	ann.Sees("Every change needs 1 approval")
	ann.Fill("Value", "60")
	ann.Click("button", "Review change")
	ann.Sees("Changes in rules need approval.")
	ann.Click("button", "Submit for review")
	ann.Await("the request is there", `location.pathname.startsWith('/ui/requests/')`)
	if e := w.entry("rules", "pool"); string(e.Value) != "50" {
		w.t.Errorf("without an approval the value is %s", e.Value)
	}

	admin.Click("button", "Edit")
	admin.Choose("Changes need approval", "false")
	admin.Click("button", "Freeze for a day")
	admin.Fill("Reason", "Black Friday")
	admin.Click("button", "Look at the change")
	admin.Click("button", "Save the settings")
	admin.Await("it is frozen", `document.querySelector('dialog[open]') === null && document.querySelector('main table')?.innerText.includes('frozen now') === true`)
	ann.open("/ui/ns/rules/config/mode?edit=1")
	ann.Sees("Direct writes are allowed, but not now.")
	ann.Sees("Black Friday")
	ann.Choose("Value", "fast")
	ann.Click("button", "Review change")
	ann.Await("it cannot be saved now", `document.querySelector('dialog input[value=now]').disabled && /Black Friday/.test(document.querySelector('dialog').innerText)`)
	ann.Click("button", "Back to editing")
}

// roles gives somebody who has none a role, and takes it away; that person's page
// is open all the time.
func (w *world) roles(admin *person) {
	w.t.Helper()
	w.set("ann", "house", "door", "open")
	made, err := w.sdk("admin").CreateKey(w.patient(), wire.NewKey{Name: "erin-laptop", Principal: "erin"}, client.Write{})
	w.must(err)
	w.keys["erin"] = made.Key
	erin := w.signIn("erin", w.first(), "/ui/ns/house/config/door", "status of 403")
	erin.Sees("You may not see this")

	admin.open("/ui/ns/house/roles")
	admin.Click("button", "Edit")
	admin.Click("button", "Add a grant")
	admin.Choose("Role", "editor")
	admin.Fill("Principal", "erin")
	admin.Click("button", "Look at the change")
	admin.Click("button", "Save the roles")
	erin.Await("sees the value", shows("open"))
	erin.Click("link", "Edit")
	erin.save("door", "shut")
	if e := w.entry("house", "door"); string(e.Value) != `"shut"` || e.UpdatedBy != "erin" {
		w.t.Errorf("what erin saved is %+v", e)
	}
	erin.Finds("link", "Edit")

	admin.Click("button", "Edit")
	admin.Choose("Role", "viewer")
	admin.Click("button", "Look at the change")
	admin.Click("button", "Save the roles")
	erin.Finds("button", "Edit (You need the role editor on house.)")
	admin.Click("button", "Edit")
	admin.Click("button", "Remove grant 1")
	admin.Click("button", "Look at the change")
	admin.Click("button", "Save the roles")
	erin.Sees("You may not see this")
	if browser.Eval[bool](erin.Page, `document.querySelector('main').innerText.includes('shut')`) {
		w.t.Error("the value is still shown to whom it is no longer for")
	}
}
