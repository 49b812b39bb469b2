package dashboard

import (
	"net/http"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// A key that is not good is told apart from one that is; the address that was
// asked for is where one comes to; signing out ends all tabs; a revoked key ends
// the page by itself.
func TestSigningInAndARevokedKey(t *testing.T) {
	w := newWorld(t, 1)
	w.set("admin", "teams/pay", "pool", 20)
	n := w.first()

	p := w.chromium.Person()
	page := p.Strict(url(n, "/ui/ns/teams/pay/config/pool"), "status of 401")
	page.Fill("API key", "cfm_this_is_not_a_key")
	page.Click("button", "Sign in")
	page.Sees("That key is not good")
	page.Fill("API key", w.keys["ann"])
	page.Click("button", "Sign in")
	page.Finds("heading", "pool")
	if cookie := browser.Eval[string](page, "document.cookie"); cookie != "" {
		t.Errorf("a script can read the cookie: %q", cookie)
	}
	if kept := browser.Eval[string](page, "JSON.stringify([{...localStorage}, {...sessionStorage}])"); strings.Contains(kept, w.keys["ann"]) {
		t.Errorf("the browser keeps the key: %s", kept)
	}

	second := p.Strict(url(n, "/ui/overview"), "status of 401")
	second.Finds("heading", "Overview")
	page.Click("button", "Signed in as ann")
	page.Click("menuitem", "Sign out")
	page.Finds("button", "Sign in")
	second.Finds("button", "Sign in")

	bob := w.signIn("bob", n, "/ui/ns/teams/pay/config/pool", "status of 401")
	bob.isLive()
	bob.Finds("heading", "pool")
	keys := decode[[]wire.APIKey](t, w.do("admin", http.MethodGet, "/api/v1/keys", nil))
	for _, k := range keys {
		if k.Principal == "bob" {
			w.do("admin", http.MethodDelete, "/api/v1/keys/"+k.ID, nil)
		}
	}
	bob.Finds("button", "Sign in")
	bob.Sees("revoked")
}
