package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"confman/api/wire"
)

// furnished is what a furnished cluster has in it, for addresses.
type furnished struct {
	open, conflicting, published wire.PublishRequest
	webhook                      wire.Webhook
	early                        uint64 // an index in the middle of shop/prod's history
}

// furnish fills a cluster with the history of petclinic, a shop whose production
// is governed, teams with values of all types, and hostile values.
func (w *world) furnish() furnished {
	w.t.Helper()
	w.petclinic(24)
	w.teams()
	w.hostile()
	return w.shop()
}

// petclinic replays the first change sets of a real repository's history.
func (w *world) petclinic(most int) {
	w.t.Helper()
	history, err := os.ReadFile("../testdata/petclinic.jsonl")
	w.must(err)
	authors := []string{"ann", "bob", "carol"}
	number := 0
	for line := range strings.Lines(string(history)) {
		var set struct {
			Author  string
			Changes []struct {
				Path    string
				Content *string
			}
		}
		w.must(json.Unmarshal([]byte(line), &set))
		var change wire.Transaction
		for _, c := range set.Changes {
			if c.Content != nil {
				change.Set = append(change.Set, wire.SetOperation{Namespace: "petclinic", Key: c.Path, Value: json.RawMessage(encode(w.t, *c.Content))})
			}
		}
		if len(change.Set) > 0 {
			w.do(authors[len(set.Author)%3], http.MethodPost, "/api/v1/transactions", change)
		}
		if number++; number == most {
			return
		}
	}
}

func (w *world) teams() {
	w.t.Helper()
	w.do("admin", http.MethodPut, "/api/v1/namespaces/teams/payments", map[string]any{"description": "Everything that moves money", "owner": "ann"})
	w.set("ann", "teams", "region", "eu-central-1")
	w.set("ann", "teams", "log/level", "info")
	w.set("ann", "teams/payments", "stripe/api-version", "2025-01-01")
	w.set("bob", "teams/payments", "stripe/api-version", "2026-01-01")
	for _, size := range []int{20, 25, 30} {
		w.set("carol", "teams/payments", "pool/size", size)
	}
	w.set("ann", "teams/payments", "feature/refunds", true)
	secret := map[string]any{"value": "vault://pay/db#password", "type": "secret-ref", "description": "Read by the ledger"}
	w.do("ann", http.MethodPut, "/api/v1/namespaces/teams/payments/config/db/password", secret)
	limits := `{"daily":{"eur":%d,"usd":120000},"methods":["card","sepa"%s],"account":12345678901234567}`
	for _, v := range []string{fmt.Sprintf(limits, 100000, ""), fmt.Sprintf(limits, 150000, `,"wallet"`)} {
		w.do("bob", http.MethodPut, "/api/v1/namespaces/teams/payments/config/limits", map[string]any{"value": v, "type": "json", "comment": "as agreed with the bank", "tags": []string{"finance"}})
	}
	w.do("bob", http.MethodPut, "/api/v1/namespaces/teams/payments/config/logo", map[string]any{"value": "aGVsbG8gYmluYXJ5", "type": "binary"})
	w.set("ann", "teams/payments", "old/flag", "on")
	w.do("ann", http.MethodDelete, "/api/v1/namespaces/teams/payments/config/old/flag", nil)
	for i := range 30 {
		w.set("carol", "teams/search", fmt.Sprintf("shard/%02d/host", i), fmt.Sprintf("search-%02d.internal:9200", i))
	}
}

// evil is what an attacker would put wherever people look: markup, a script, a
// template, an escape sequence, text that runs backwards, what cannot be seen.
const evil = "<img src=x onerror=\"globalThis.pwned=1\"><script>globalThis.pwned=1</script> \u202Egnp.exe\u202C \u001b[31mred\u200b '\"`${globalThis.pwned=1}{{7*7}}"

func (w *world) hostile() {
	w.t.Helper()
	path := "/api/v1/namespaces/hostile/config/"
	w.do("ann", http.MethodPut, path+"html", map[string]any{"value": evil, "comment": "<b>bold</b><script>globalThis.pwned=1</script>", "description": "<i onmouseover=globalThis.pwned=1>hover</i>"})
	w.do("ann", http.MethodPut, path+"big", map[string]any{"value": strings.Repeat("a<b>", 260_000)})
	deep := strings.Repeat(`{"x":`, 60) + "1" + strings.Repeat("}", 60)
	w.do("ann", http.MethodPut, path+"deep", map[string]any{"value": deep, "type": "json"})
	proto := map[string]any{"__proto__": 1, "constructor": map[string]any{"prototype": evil}, evil: evil}
	w.do("ann", http.MethodPut, path+"__proto__", map[string]any{"value": encode(w.t, proto), "type": "json"})
	w.do("bob", http.MethodPut, path+"html", map[string]any{"value": evil + " again"})
	w.do("ann", http.MethodPut, path+"long-word", map[string]any{"value": strings.Repeat("x", 3000)})
}

func (w *world) shop() (f furnished) {
	w.t.Helper()
	for _, stage := range []string{"dev", "stage", "prod"} {
		w.set("ann", "shop/"+stage, "db/url", "postgres://"+stage+"-db:5432/shop")
		w.set("ann", "shop/"+stage, "replicas", map[string]int{"dev": 1, "stage": 2, "prod": 6}[stage])
		w.set("ann", "shop/"+stage, "checkout/timeout", "3s")
	}
	f.early = decode[wire.ConfigEntry](w.t, w.do("ann", http.MethodGet, "/api/v1/namespaces/shop/prod/config/replicas", nil)).Index
	schema := `{"schema":{"type":"object","properties":{
		"replicas":{"type":"integer","minimum":1,"maximum":20,"title":"Replicas","description":"How many copies of the shop run"},
		"db/url":{"type":"string","pattern":"^postgres://","description":"Where the database is"},
		"log/level":{"enum":["debug","info","warn","error"],"description":"How much is logged"}}}}`
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/prod/schema", json.RawMessage(schema))
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/prod/settings", map[string]any{"requireApproval": true, "minApprovers": 2, "allowBypass": true, "quota": map[string]int{"keys": 200, "bytes": 1 << 20}})
	grants := `{"grants":[{"role":"publisher","principal":"bob"},{"role":"publisher","principal":"carol"},{"role":"editor","group":"shop-team"},{"role":"viewer","principal":"ci","keys":"db/*"}]}`
	w.do("admin", http.MethodPut, "/api/v1/namespaces/shop/prod/roles", json.RawMessage(grants))
	f.open = w.submit("ann", "More room for the sale", map[string]any{"replicas": 8, "checkout/timeout": "5s"})
	f.conflicting = w.submit("dev-lead", "Look closer\n\nUntil the sale is over.", map[string]any{"log/level": "debug"})
	f.published = w.submit("ann", "New primary", map[string]any{"db/url": "postgres://prod-db-2:5432/shop"})
	w.do("bob", http.MethodPost, "/api/v1/publish-requests/"+f.published.ID+"/approve", map[string]any{"comment": "Checked with the DBA"})
	w.do("carol", http.MethodPost, "/api/v1/publish-requests/"+f.published.ID+"/approve", nil)
	w.do("bob", http.MethodPost, "/api/v1/publish-requests/"+f.open.ID+"/approve", map[string]any{"comment": "The pool has room for eight."})
	w.do("ann", http.MethodPut, "/api/v1/namespaces/shop/prod/drafts/search/enabled", map[string]any{"value": true, "comment": "after the sale"})
	f.webhook = decode[wire.Webhook](w.t, w.do("admin", http.MethodPost, "/api/v1/webhooks", map[string]any{"url": "https://hooks.example.com/confman", "namespace": "shop", "description": "The chat of the shop team"}))
	return f
}

// submit asks for changes of shop/prod to be published.
func (w *world) submit(who, comment string, values map[string]any) wire.PublishRequest {
	w.t.Helper()
	if w.keys[who] == "" {
		w.keys[who] = w.key(who, "editor").Key
	}
	var changes []map[string]any
	for key, value := range values {
		changes = append(changes, map[string]any{"namespace": "shop/prod", "key": key, "value": value})
	}
	return decode[wire.PublishRequest](w.t, w.do(who, http.MethodPost, "/api/v1/publish-requests", map[string]any{"changes": changes, "comment": comment}))
}

// screen is one page in one state.
type screen struct {
	name, path string
	ready      string // JavaScript that is true once it shows what it is to show
	then       func(*person)
}

// screens are all there are.
func (f furnished) screens() []screen {
	heading := func(text string) string {
		return fmt.Sprintf("document.querySelector('main h1')?.textContent.includes(%q)", text)
	}
	shown := func(selector string) string {
		return fmt.Sprintf("document.querySelector(%q) !== null", "main "+selector)
	}
	return []screen{
		{"overview", "/ui/overview", shown(".charts"), nil},
		{"browse", "/ui/ns/teams/payments", shown(".virtual .line .value"), nil},
		{"browse-root", "/ui/ns", heading(""), nil},
		{"entry", "/ui/ns/teams/payments/config/limits", shown(".value-block"), nil},
		{"history", "/ui/ns/teams/payments/config/limits?tab=history", shown("table"), nil},
		{"why", "/ui/ns/teams/payments/config/stripe/api-version?tab=why", shown("section"), nil},
		{"edit", "/ui/ns/teams/payments/config/limits?edit=1", shown(".editor"), nil},
		{"edit-governed", "/ui/ns/shop/prod/config/replicas?edit=1", shown("input"), nil},
		{"review-change", "/ui/ns/shop/prod/config/db/url?edit=1", shown("input"), reviewing},
		{"new-key", "/ui/ns/teams/payments/config?new=1", shown("input"), nil},
		{"roles", "/ui/ns/shop/prod/roles", shown("table"), nil},
		{"schema", "/ui/ns/shop/prod/schema", shown("section"), nil},
		{"settings", "/ui/ns/shop/prod/settings", shown("section"), nil},
		{"time", fmt.Sprintf("/ui/ns/shop/prod/time?at=%d", f.early), shown("input[type=range]"), nil},
		{"namespace-drafts", "/ui/ns/shop/prod/drafts", shown("section"), nil},
		{"search", "/ui/search?q=postgres", shown(".match"), nil},
		{"drafts", "/ui/drafts", heading("Drafts"), nil},
		{"requests", "/ui/requests?view=open", shown(".queue li"), nil},
		{"request", "/ui/requests/" + f.open.ID, shown(".diff, .pointers"), nil},
		{"request-published", "/ui/requests/" + f.published.ID, shown(".diff, .pointers"), nil},
		{"compare", "/ui/compare?from=shop%2Fstage&to=shop%2Fprod", shown(".diff, .pointers, table, .lines"), nil},
		{"audit", "/ui/audit", shown("time"), nil},
		{"feed", "/ui/feed", heading("Live feed"), nil},
		{"keys", "/ui/keys", shown("table"), nil},
		{"webhooks", "/ui/webhooks", shown("table"), nil},
		{"webhook", "/ui/webhooks/" + f.webhook.ID, shown(".facts"), nil},
		{"members", "/ui/members", shown("table"), nil},
		{"backup", "/ui/backup", heading("Backup"), nil},
		{"me", "/ui/me", shown("table"), nil},
	}
}

// reviewing opens the step before a change is saved.
func reviewing(p *person) {
	p.Accept() // that what was typed is left behind
	p.Fill("Value", "postgres://prod-db-3:5432/shop")
	p.Click("button", "Review change")
	p.Finds("dialog", "Review the change")
}
