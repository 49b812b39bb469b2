package dashboard

import (
	"net/http"
	"testing"

	"confman/api/identity/issuertest"
	"confman/cmd/torture/browser"
)

// Where the node knows an issuer the page offers it; one comes back to the address
// that was asked for, as oneself, with the roles of one's group.
func TestSigningInAtAnIssuer(t *testing.T) {
	issuer := issuertest.Start(t, issuertest.Config{})
	issuer.SignIn(map[string]any{"sub": "7", "email": "eve@example.com", "groups": []string{"payments"}})
	w := newWorld(t, 1, "--oidc-issuer", issuer.URL, "--oidc-client-id", "confman")
	w.set("admin", "teams/pay", "pool", 20)
	w.do("admin", http.MethodPut, "/api/v1/namespaces/teams/pay/roles", map[string]any{"grants": []map[string]string{{"role": "editor", "group": "payments"}}})

	page := w.chromium.Person().Page(url(w.first(), "/ui/ns/teams/pay/config/pool?edit=1"), "status of 401")
	page.Click("link", "Sign in with your organisation")
	page.Finds("button", "Signed in as eve@example.com")
	p := &person{page, w, "eve", w.first()}
	p.isLive()
	p.save("pool", "30")
	p.Await("shows the new value", shows("30"))
	page.Click("button", "Signed in as eve@example.com")
	page.Click("menuitem", "Sign out")
	page.Finds("link", "Sign in with your organisation")
	if said := browser.Eval[int](page, "fetch('/api/v1/whoami').then((r) => r.status)"); said != http.StatusUnauthorized {
		t.Errorf("after signing out the node answers %d", said)
	}
}
