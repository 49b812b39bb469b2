package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"confman/api/wire"
	"confman/cmd/torture/browser"
	"confman/cmd/torture/lab"
)

// A key is made in the page, shown once, copied, used, and revoked in the page. A
// webhook is made, told, told again, paused, given another secret and deleted.
func TestKeysAndWebhooksAreManagedInThePage(t *testing.T) {
	w := newWorld(t, 1, "--webhook-allow", "127.0.0.0/8")
	w.set("ann", "teams/pay", "pool", 20)
	p := w.signIn("admin", w.first(), "/ui/keys")
	p.isLive()
	w.manageKey(p)
	w.manageWebhook(p)
}

func (w *world) manageKey(p *person) {
	w.t.Helper()
	p.Click("button", "New key")
	p.Fill("Name", "ci-deploy")
	p.Choose("Role", "editor")
	p.Fill("Namespace, and all below", "teams/pay")
	p.Click("button", "=Create")
	p.Finds("dialog", "The new API key")
	w.keys["ci"] = browser.Eval[string](p.Page, "document.getElementById('new-key').textContent")
	if copied := p.copied("Copy the key"); copied != w.keys["ci"] {
		w.t.Errorf("copied is %q, the key is %q", copied, w.keys["ci"])
	}
	p.Click("button", "I have kept it")
	p.Sees("ci-deploy")
	if browser.Eval[bool](p.Page, "document.documentElement.outerHTML.includes("+quoted(w.keys["ci"])+")") {
		w.t.Error("the key is still in the page after its dialog was closed")
	}
	w.set("ci", "teams/pay", "pool", 21)
	if status, _ := w.try(w.first(), "ci", http.MethodGet, "/api/v1/namespaces/shop/config", nil); status != http.StatusForbidden {
		w.t.Errorf("the key reads what it was not made for: %d", status)
	}
	p.Click("button", "Revoke ci-deploy")
	p.Click("button", "=Revoke")
	p.Await("the key is gone from those in use", `!document.querySelector('main table').innerText.includes('ci-deploy')`)
	if status, _ := w.try(w.first(), "ci", http.MethodGet, "/api/v1/namespaces/teams/pay/config/pool", nil); status != http.StatusUnauthorized {
		w.t.Errorf("the revoked key gets %d", status)
	}
	p.Click("button", "Ended")
	p.Sees("ci-deploy")
	w.keyByRoles(p)
}

// keyByRoles makes a key without grants: it has the roles of whom it acts as.
func (w *world) keyByRoles(p *person) {
	w.t.Helper()
	w.do("admin", http.MethodPut, "/api/v1/namespaces/teams/roles", map[string]any{"grants": []map[string]string{{"role": "viewer", "principal": "robot"}}})
	p.Click("button", "New key")
	p.Fill("Name", "robot")
	p.Click("button", "Take this grant away")
	p.Sees("What the namespaces give to robot")
	p.Click("button", "=Create")
	p.Finds("dialog", "The new API key")
	w.keys["robot"] = browser.Eval[string](p.Page, "document.getElementById('new-key').textContent")
	p.Click("button", "I have kept it")
	w.do("robot", http.MethodGet, "/api/v1/namespaces/teams/pay/config/pool", nil)
}

// copied is what a button puts into the clipboard of a browser that has no other
// way to it, as on a page without TLS.
func (p *person) copied(button string) string {
	p.world.t.Helper()
	browser.Eval[bool](p.Page, `(() => {
		Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true});
		globalThis.copied = '';
		document.addEventListener('copy', () => { globalThis.copied = document.activeElement.value?.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd) ?? String(getSelection()); }, {once: true});
		return true;
	})()`)
	p.reach(button)
	p.Press(kb.Enter)
	p.Await("says that it copied", `[...document.querySelectorAll('[role=status]')].some((s) => s.textContent === 'Copied')`)
	return browser.Eval[string](p.Page, "globalThis.copied")
}

// endpoint is what a webhook calls: it takes everything.
type endpoint struct {
	*httptest.Server
	mu    sync.Mutex // guards the field below
	calls []call
}

// call is one delivery.
type call struct{ id, timestamp, signature, body string }

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the node ended in the middle of it
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.calls = append(e.calls, call{r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), r.Header.Get("Webhook-Signature"), string(body)})
	}))
	t.Cleanup(e.Close)
	return e
}

// nth waits for so many deliveries and returns the last of them.
func (e *endpoint) nth(t *testing.T, n int) (last call) {
	t.Helper()
	await(t, fmt.Sprintf("delivery %d", n), func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.calls) < n {
			return fmt.Errorf("%d deliveries", len(e.calls))
		}
		last = e.calls[n-1]
		return nil
	})
	return last
}

// signed reports whether a delivery is signed with a secret.
func (c call) signed(t *testing.T, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatalf("the secret %q: %v", secret, err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.id, c.timestamp, c.body)
	return slices.Contains(strings.Fields(c.signature), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (w *world) manageWebhook(p *person) {
	w.t.Helper()
	hook := newEndpoint(w.t)
	secret := func() string {
		p.Finds("dialog", "The webhook’s secret")
		return browser.Eval[string](p.Page, "document.querySelector('dialog code').textContent")
	}
	p.open("/ui/webhooks")
	p.Sees("No webhooks")
	p.Click("button", "New webhook")
	p.Fill("URL", hook.URL+"/hook")
	p.Fill("Namespace, and all below", "teams")
	p.Click("button", "=Create")
	first := secret()
	p.Click("button", "I have kept it")

	w.set("ann", "teams/pay", "pool", 30)
	told := hook.nth(w.t, 1)
	if !told.signed(w.t, first) {
		w.t.Errorf("the delivery is not signed with the secret that was shown: %+v", told)
	}
	p.Click("link", hook.URL)
	p.Finds("heading", hook.URL)
	p.Await("it was delivered", `[...document.querySelectorAll('main table .chip')].some((c) => c.textContent === 'delivered')`)
	p.Click("button", "Send event")
	p.Sees("was delivered")
	if again := hook.nth(w.t, 2); again.id != told.id {
		w.t.Errorf("sent again was %s, wanted is %s", again.id, told.id)
	}

	p.Click("button", "Turn off")
	p.Finds("button", "Turn on")
	w.set("ann", "teams/pay", "pool", 31)
	p.Click("button", "New secret")
	p.Click("button", "Make it")
	second := secret()
	p.Click("button", "I have kept it")
	p.Click("button", "Turn on")
	waited := hook.nth(w.t, 3)
	if !strings.Contains(waited.body, "pool") || !waited.signed(w.t, second) || !waited.signed(w.t, first) || first == second {
		w.t.Errorf("what waited is not signed with both secrets: %+v", waited)
	}

	path := browser.Eval[string](p.Page, "location.pathname")
	p.Go(url(w.first(), "/ui/overview"))
	p.Go(url(w.first(), path)) // as from a bookmark
	p.Click("button", "Delete")
	p.Finds("dialog", "Delete the webhook")
	p.Click("button", "=Delete")
	p.Await("the list is shown", "location.pathname === '/ui/webhooks'")
	p.Sees("No webhooks")
}

// Leadership is handed over, a follower removed and a new node added, as a learner
// first, in the page; the backup that the browser saves is whole.
func TestMembersAndBackupsAreManagedInThePage(t *testing.T) {
	w := newWorld(t, 3)
	w.set("ann", "teams/pay", "pool", 20)
	leader, err := w.lab.Leader(w.patient())
	w.must(err)
	next, other := w.lab.Others(leader)[0], w.lab.Others(leader)[1]
	p := w.signIn("admin", leader, "/ui/members")
	w.download(p)
	p.open("/ui/members")

	p.Click("button", "Change "+next.ID)
	p.Click("menuitem", "Let it lead")
	p.Sees("Writes pause for some tens of milliseconds")
	p.Click("button", "Hand over")
	p.Await("the other leads", memberIs(next.ID, "leader"))

	p.Click("button", "Change "+other.ID)
	p.Click("menuitem", "Remove")
	p.Sees("2 voters remain, 2 of them up; a majority is then 2, so 0 more may fail.")
	p.Finds("button", fmt.Sprintf("Remove (Type %s first)", other.ID))
	p.Fill("Type "+other.ID, other.ID)
	p.Click("button", "=Remove")
	p.Await("it is gone", `document.querySelectorAll('main table[class] tbody tr').length === 2`)
	if _, err := other.Exit(w.patient()); err != nil {
		t.Fatalf("the removed node runs on: %v", err)
	}

	added, err := w.lab.Renew(other, "n4", nil)
	w.must(err)
	w.must(added.Start())
	await(t, added.ID+" can be invited", func() error { return alive(added) })
	p.Click("button", "Add a member")
	p.Sees("neither --peers nor --join")
	p.Fill("ID", added.ID)
	p.Fill("Address", added.Address)
	p.Click("button", "=Add")
	p.Await("it learns", memberIs(added.ID, "learner"))
	p.Click("button", "Change "+added.ID)
	p.Click("menuitem", "Let it vote")
	p.Click("button", "Make it a voter")
	p.Await("it votes", memberIs(added.ID, "follower"))
	w.must(w.lab.AwaitReady(w.patient()))
	cluster, err := w.lab.Cluster(w.patient(), next)
	w.must(err)
	if cluster.LeaderID != next.ID || !slices.ContainsFunc(cluster.Members, func(m wire.Member) bool { return m.ID == added.ID && m.Voter }) {
		t.Errorf("the cluster is %+v", cluster)
	}
}

// alive reports why a node does not answer yet.
func alive(n *lab.Node) error {
	answer, err := n.HTTP().Get(n.URL() + "/health")
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// memberIs is JavaScript that is true when the table of members gives one a role.
func memberIs(id, role string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('main table tbody tr')].some((r) => r.querySelector('strong')?.textContent === %q && r.querySelector('.chip')?.textContent === %q)`, id, role)
}

func (w *world) download(p *person) {
	w.t.Helper()
	dir := w.t.TempDir()
	p.SaveTo(dir)
	p.open("/ui/backup")
	p.Click("button", "Download")
	p.Sees("The browser saves the backup")
	var saved []string
	await(w.t, "the backup is saved", func() error {
		saved, _ = filepath.Glob(filepath.Join(dir, "*.backup"))
		if part, _ := filepath.Glob(filepath.Join(dir, "*.crdownload")); len(saved) != 1 || len(part) > 0 {
			all, err := os.ReadDir(dir)
			return fmt.Errorf("there are %v: %w", all, err)
		}
		return nil
	})
	said, err := w.first().Confman(w.patient(), "backup", "verify", saved[0])
	w.must(err)
	if said.Code != 0 {
		w.t.Errorf("what the browser saved is no backup: %v", said)
	}
}
