package dashboard

import (
	"net/http"
	"slices"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// offered are the pages that the rail leads to, and the tabs of a namespace.
const offered = `[...document.querySelectorAll('#rail a[href^="/ui/"], main .tabs a')].map((a) => a.getAttribute('href'))`

// Whoever may do little is offered what there is for them, and no page that is
// offered asks for what is refused: a refusal is an error on the console, which
// fails the test.
func TestNoPageThatIsOfferedIsRefused(t *testing.T) {
	w := newWorld(t, 1)
	w.set("ann", "shop/prod", "db/url", "postgres://db")
	w.set("ann", "shop/prod/eu", "db/url", "postgres://eu")
	w.govern()
	w.set("ann", "teams", "region", "eu")
	for name, grant := range map[string]wire.Grant{
		"narrow": {Namespace: "shop/prod", Role: "editor", Keys: "db/*"}, "owner": {Namespace: "shop", Role: "admin"},
	} {
		made := w.do("admin", http.MethodPost, "/api/v1/keys", wire.NewKey{Name: name, Grants: []wire.Grant{grant}})
		w.keys[name] = decode[wire.APIKey](t, made).Key
	}
	request := decode[wire.PublishRequest](t, w.do("ann", http.MethodPost, "/api/v1/publish-requests", map[string]any{
		"changes": []map[string]any{{"namespace": "shop/prod", "key": "replicas", "value": 9}, {"namespace": "shop/prod", "key": "db/url", "value": "postgres://new"}}, "comment": "More",
	}))
	const prod = "/ui/ns/shop/prod"
	more := []string{
		prod, prod + "/config/db/url", prod + "/config/db/url?tab=history", prod + "/config/db/url?tab=why", prod + "/config/db/url?edit=1",
		"/ui/search?q=postgres", "/ui/requests?view=open", "/ui/compare?from=shop%2Fprod&to=shop%2Fprod%2Feu", "/ui/requests?view=mine",
		"/ui/ns/%2F/roles", "/ui/ns/%2F/settings", "/ui/drafts", "/ui/webhooks", "/ui/members", "/ui/backup", // which links or people lead to
	}
	for _, who := range []string{"dave", "narrow", "owner"} {
		p := w.signIn(who, w.first(), "/ui/overview")
		p.isLive()
		seen := []string{}
		if who != "dave" { // viewers see no requests
			more = append(more, "/ui/requests/"+request.ID)
		}
		for todo := append(browser.Eval[[]string](p.Page, offered), more...); len(todo) > 0; todo = todo[1:] {
			path := todo[0]
			if slices.Contains(seen, path) {
				continue
			}
			seen = append(seen, path)
			p.open(path)
			p.Await(path+" shows", `document.querySelector('main h1') !== null`)
			p.settled(path)
			if browser.Eval[bool](p.Page, `document.querySelector('main .note.bad') !== null`) {
				t.Errorf("%s at %s is shown %s", who, path, browser.Eval[string](p.Page, `document.querySelector('main .note.bad').innerText`))
			}
			todo = append(todo, browser.Eval[[]string](p.Page, offered)...)
		}
		if !slices.Contains(seen, prod+"/settings") {
			t.Errorf("%s has seen only %v", who, seen)
		}
	}
}
