package dashboard

import (
	"fmt"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// sly is hostile text for fields that take no control characters: every way into
// markup, text that runs backwards, what cannot be seen, and one very long word.
var sly = `<x-evil class=evil onclick=globalThis.pwned=1></x-evil><img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>` +
	"</script></textarea></title> \u202Egnp.exe\u202C \u2066x\u2069\u200b\u200d\ufeff '\"`${globalThis.pwned=1}{{7*7}} javascript:globalThis.pwned=1 " + strings.Repeat("W", 120)

// planted is where hostile text lies.
type planted struct {
	keys             []string // in the namespace hostile/x
	request, webhook string
	principal        string
}

// plant writes hostile text wherever the API takes text. What it refuses is noted
// and left out.
func (w *world) plant() (p planted) {
	w.t.Helper()
	w.plantValues(&p)
	w.plantPolicy(&p)
	return p
}

// plantAt is the namespace that hostile text is written to.
const plantAt = "/api/v1/namespaces/hostile/x"

// tries sends a request in somebody's name. One that is refused is noted.
func (w *world) tries(what, who, method, path string, body any) string {
	w.t.Helper()
	status, text := w.try(w.first(), who, method, path, body)
	if status >= http.StatusMultipleChoices {
		w.t.Logf("%s is refused: %.160s", what, text)
		return ""
	}
	return text
}

func (w *world) plantValues(p *planted) {
	w.t.Helper()
	w.tries("a namespace", "admin", http.MethodPut, plantAt, map[string]any{"description": sly, "owner": sly[:120]})
	deep := strings.Repeat(`{"x":[`, 30) + `1e999, 12345678901234567890` + strings.Repeat("]}", 30)
	proto := `{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "hasOwnProperty": 1, ` + strings.TrimSpace(encode(w.t, sly)) + `: ` + strings.TrimSpace(encode(w.t, evil+sly)) + `}`
	big := strings.Repeat("a<b>\u202e", 130_000)
	for _, v := range []struct {
		key, kind string
		values    [2]string
	}{
		{"html", "string", [2]string{evil + sly, sly + evil + "\n" + evil}},
		{"__proto__", "json", [2]string{proto, strings.Replace(proto, `"polluted": 1`, `"polluted": 2`, 1)}},
		{"constructor", "json", [2]string{deep, strings.Replace(deep, "1e999", "1e998", 1)}},
		{"big/lines", "string", [2]string{strings.Repeat("<b>"+strings.Repeat("x", 60)+"\n", 16_000), strings.Repeat("<i>"+strings.Repeat("y", 60)+"\n", 16_000)}},
		{"big/word", "string", [2]string{big, "z" + big}},
		{"number", "number", [2]string{"1e999", "12345678901234567890"}},
		{"deep/" + strings.Repeat("W", 200), "string", [2]string{strings.Repeat("x", 3000), "javascript:globalThis.pwned=1"}},
		{"secret", "secret-ref", [2]string{"vault://" + sly, "env://" + sly}},
	} {
		p.keys = append(p.keys, v.key)
		for k, value := range v.values {
			body := map[string]any{"value": value, "type": v.kind, "comment": sly, "description": sly, "tags": []string{"<x-evil>", "\u202egat"}}
			if w.tries(fmt.Sprintf("value %d of %s", k, v.key), "ann", http.MethodPut, plantAt+"/config/"+v.key, body) == "" {
				delete(body, "tags")
				w.tries(fmt.Sprintf("value %d of %s without tags", k, v.key), "ann", http.MethodPut, plantAt+"/config/"+v.key, body)
			}
		}

	}
}

// plantPolicy writes hostile text into what governs, in the name of somebody whose
// name is hostile.
func (w *world) plantPolicy(p *planted) {
	w.t.Helper()
	p.principal = "mallory\u202e<x-evil>" + strings.Repeat("W", 60)
	made := w.tries("a principal", "admin", http.MethodPost, "/api/v1/keys", wire.NewKey{Name: "<x-evil>\u202e" + strings.Repeat("W", 100), Principal: p.principal, Grants: []wire.Grant{{Namespace: "/", Role: "admin"}}})
	if made == "" {
		p.principal = "<x-evil>-" + strings.Repeat("W", 60)
		made = w.tries("a principal without marks", "admin", http.MethodPost, "/api/v1/keys", wire.NewKey{Name: "<x-evil>" + strings.Repeat("W", 50), Principal: p.principal, Grants: []wire.Grant{{Namespace: "/", Role: "admin"}}})
	}
	w.keys["mallory"] = decode[wire.APIKey](w.t, made).Key
	w.tries("a spare key", "admin", http.MethodPost, "/api/v1/keys", wire.NewKey{Name: "<x-evil class=evil>\u202espare", Principal: "spare\u202e", Grants: []wire.Grant{{Namespace: "hostile", Role: "viewer"}}})
	w.tries("roles", "mallory", http.MethodPut, plantAt+"/roles", map[string]any{"grants": []wire.RoleGrant{{Role: "editor", Group: sly[:100]}, {Role: "viewer", Principal: p.principal, Keys: "<x-evil>*"}}})
	w.tries("roles of an invisible group", "mallory", http.MethodPut, plantAt+"/roles", map[string]any{"grants": []wire.RoleGrant{{Role: "editor", Group: "\u202e<x-evil>" + strings.Repeat("W", 100)}, {Role: "publisher", Principal: p.principal}}})
	schema := map[string]any{"title": sly, "description": sly, "properties": map[string]any{
		"html": map[string]any{"title": sly, "description": sly, "pattern": "<x-evil>|\u202e|.*"}, "choice": map[string]any{"enum": []string{sly, "<x-evil>"}, "title": sly, "default": sly}, sly: map[string]any{"type": "string"},
	}}
	w.tries("a value below", "ann", http.MethodPut, "/api/v1/namespaces/hostile/y/config/html", map[string]any{"value": sly})
	w.tries("a schema", "mallory", http.MethodPut, plantAt+"/schema", map[string]any{"schema": schema})
	from := time.Now().Add(time.Hour)
	w.tries("a freeze", "mallory", http.MethodPut, plantAt+"/settings", map[string]any{"freezes": []wire.Freeze{{From: from, Until: from.Add(time.Hour), Reason: sly}}, "minApprovers": 2})
	for _, address := range []string{"javascript:globalThis.pwned=1", "https://127.0.0.1/?<x-evil>\u202e" + strings.Repeat("W", 200)} {
		if hook := w.tries("the webhook "+address, "mallory", http.MethodPost, "/api/v1/webhooks", map[string]any{"url": address, "namespace": "hostile", "description": sly}); hook != "" {
			p.webhook = decode[wire.Webhook](w.t, hook).ID
		}
	}
	w.tries("a draft", "mallory", http.MethodPut, plantAt+"/drafts/draft", map[string]any{"value": evil + sly, "comment": sly})
	changes := []map[string]any{{"namespace": "hostile/x", "key": "html", "value": sly}, {"namespace": "hostile/x", "key": "__proto__", "value": `{"__proto__": {"polluted": 3}}`, "type": "json"}, {"namespace": "hostile/x", "key": "big/word", "value": strings.Repeat("b<a>\u202e", 130_000)}}
	if r := w.tries("a request", "mallory", http.MethodPost, "/api/v1/publish-requests", map[string]any{"changes": changes, "comment": sly}); r != "" {
		p.request = decode[wire.PublishRequest](w.t, r).ID
		w.tries("a review", "bob", http.MethodPost, "/api/v1/publish-requests/"+p.request+"/approve", map[string]any{"comment": sly})
	}
}

// screens are those that show what was planted.
func (p planted) screens() (all []screen) {
	loaded := "document.querySelector('main h1, main .empty h2') !== null"
	add := func(name, path string) { all = append(all, screen{name: name, path: path, ready: loaded}) }
	const ns = "/ui/ns/hostile/x"
	for _, key := range p.keys {
		k := ns + "/config/" + key
		add(key, k)
		add(key+" history", k+"?tab=history")
		add(key+" edit", k+"?edit=1")
	}
	add("why", ns+"/config/html?tab=why")
	add("choice edit", ns+"/config/choice?edit=1")
	add("draft edit", ns+"/config/draft?edit=1")
	add("entries", ns)
	for _, part := range []string{"drafts", "roles", "schema", "settings", "audit", "time"} {
		add(part+" of it", ns+"/"+part)
	}
	add("a request", "/ui/requests/"+p.request)
	add("requests", "/ui/requests?view=open")
	add("search", "/ui/search?q="+neturl.QueryEscape("<x-evil"))
	add("search like a regex", "/ui/search?q="+neturl.QueryEscape(`.*( [a-z]{9} \ ) $& (?=`))
	add("search backwards", "/ui/search?q="+neturl.QueryEscape("\u202egnp"))
	add("compare", "/ui/compare?from=hostile%2Fx&to=hostile%2Fy")
	add("audit", "/ui/audit")
	add("audit of a name", "/ui/audit?actor="+neturl.QueryEscape(sly)+"&key="+neturl.QueryEscape(sly))
	// Addresses that somebody was sent.
	add("a page of no name", "/ui/constructor")
	add("a queue of no name", "/ui/requests?view=__proto__")
	add("a tab of no name", ns+"/config/html?tab=constructor&at="+neturl.QueryEscape("'><x-evil>\u202e"))
	add("a part of no name", ns+"/constructor")
	add("a namespace of no name", "/ui/ns/"+neturl.PathEscape("<x-evil>\u202e")+"/config/"+neturl.PathEscape("<x-evil>\u202e")+"?edit=1")
	for _, path := range []string{"overview", "drafts", "keys", "webhooks", "feed", "me", "members", "ns"} {
		add(path, "/ui/"+path)
	}
	if p.webhook != "" {
		add("a webhook", "/ui/webhooks/"+p.webhook)
	}
	return all
}

// inspect says what of hostile text has become more than text.
const inspect = `(() => {
	const wrong = [];
	const hidden = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
	if ('pwned' in globalThis) wrong.push('a script ran');
	if ('polluted' in Object.prototype || 'polluted' in {}) wrong.push('prototypes are polluted');
	const look = (root) => {
		for (const el of root.querySelectorAll('*')) {
			const name = el.localName;
			const where = () => ' in ' + el.outerHTML.slice(0, 160).replace(/[^ -~]/g, '?') + ' of ' + (el.parentElement?.outerHTML ?? '').slice(0, 120).replace(/[^ -~]/g, '?');
			if (name === 'x-evil' || el.matches('.evil, iframe, object, embed, main img, base, meta[http-equiv]') || (name === 'script' && !el.src)) wrong.push('an element came from a value' + where());
			for (const a of el.attributes) {
				if (a.name.startsWith('on')) wrong.push('a handler' + where());
				if (hidden.test(a.value) && !(name === 'option' && a.name === 'value')) wrong.push('hidden characters in the attribute ' + a.name + where());
			}
			if (el.matches('a[href], area[href], form[action], use[href]') && !/^(https?|blob):$/.test(new URL(el.getAttribute('href') ?? el.getAttribute('action'), location.href).protocol)) wrong.push('an address' + where());
			for (const n of el.childNodes) if (n.nodeType === 3 && hidden.test(n.data)) wrong.push('hidden characters' + where());
			if (el.shadowRoot) look(el.shadowRoot);
		}
	};
	look(document);
	if (hidden.test(document.title)) wrong.push('hidden characters in the title');
	if (document.documentElement.scrollWidth > innerWidth) {
		const widest = [...document.querySelectorAll('body *')].filter((el) => el.getBoundingClientRect().right > innerWidth + 1).map((el) => el.localName + '.' + el.className).slice(-3);
		wrong.push('the page is ' + document.documentElement.scrollWidth + ' px wide at ' + innerWidth + ': ' + widest);
	}
	return [...new Set(wrong)].slice(0, 5);
})()`

// harmless fails the test when something hostile does something.
func (p *person) harmless(where string) {
	p.world.t.Helper()
	for _, wrong := range browser.Eval[[]string](p.Page, inspect) {
		p.world.t.Errorf("%s: %s", where, wrong)
	}
}

// settled waits until a page has no more to load.
func (p *person) settled(name string) {
	p.world.t.Helper()
	p.Await(name+" has loaded", `[...document.querySelectorAll('main .loading, main [aria-busy=true]')].every((l) => l.textContent.startsWith('Older'))
		&& [...document.querySelectorAll('main .editor')].every((e) => e.view)`)
}

// Whatever somebody writes wherever the API takes text is shown as text and does
// nothing: on every screen, wide and narrow.
func TestHostileValuesAreHarmless(t *testing.T) {
	w := newWorld(t, 1)
	planted := w.plant()
	p := w.signIn("mallory", w.first(), "/ui/overview", "status of 400") // of addresses that somebody made up
	for _, s := range planted.screens() {
		p.View(1280, 900)
		p.open(s.path)
		p.Await(s.name+" shows", s.ready)
		p.settled(s.name)
		p.harmless(s.name)
		p.View(400, 860)
		p.harmless(s.name + ", narrow")
	}
	p.View(1280, 900)
	p.opensRows()
	p.opensOver()
}

// opensRows unfolds what lists keep folded.
func (p *person) opensRows() {
	p.world.t.Helper()
	for _, path := range []string{"/ui/audit", "/ui/ns/hostile/x/drafts"} {
		p.open(path)
		p.Await("rows of "+path, `document.querySelector('main [aria-expanded]') !== null`)
		browser.Eval[bool](p.Page, `[...document.querySelectorAll('main [aria-expanded=false]')].slice(0, 25).forEach((b) => b.click()) ?? true`)
		p.settled(path)
		p.harmless("rows of " + path)
	}
}

// opensOver opens what lies over pages: the palette, dialogs, a toast.
func (p *person) opensOver() {
	p.world.t.Helper()
	p.PressWith(chromedp.ModifierCtrl, "k")
	p.Fill("Go to a page", "<x-evil")
	p.Await("the request is offered", `[...document.querySelectorAll('[role=option]')].some((o) => o.textContent.includes('mallory'))`)
	p.harmless("the palette")
	p.Press(kb.Escape)
	p.open("/ui/ns/hostile/x")
	p.Click("button", "More actions")
	p.Click("menuitem", "Edit description")
	p.harmless("the description's dialog")
	p.Click("button", "Cancel")
	p.open("/ui/ns/hostile/x/config/html")
	p.Click("button", "Delete")
	p.Finds("dialog", "Delete html")
	p.harmless("the deletion's dialog")
	p.Click("button", "Cancel")
	p.open("/ui/keys?q=spare")
	p.Click("button", "Revoke <x-evil")
	p.harmless("the revocation's dialog")
	p.Click("button", "=Revoke")
	p.Sees("was revoked")
	p.harmless("a toast")
}
