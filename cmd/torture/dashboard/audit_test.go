package dashboard

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"confman/api/wire"
)

// The audit trail shows what the API has for the same filter, also what comes while
// one looks; its exports are the API's answers; it is verified and played again.
func TestTheAuditTrailIsTheAPIs(t *testing.T) {
	w := newWorld(t, 1)
	for i := range 6 {
		w.set([]string{"ann", "bob"}[i%2], "teams/pay", "pool", i)
	}
	w.do("bob", http.MethodPut, "/api/v1/namespaces/teams/pay/drafts/pool", map[string]any{"value": 9})
	p := w.signIn("admin", w.first(), "/ui/audit")
	p.isLive()
	p.Fill("Who", "bob")
	p.Choose("What", "config.*")
	const filter = "?actor=bob&action=config.*"
	p.showsEvents(w.events(filter))
	w.set("ann", "teams/pay", "pool", 10)
	w.set("bob", "teams/pay", "pool", 11)
	p.showsEvents(w.events(filter))

	dir := t.TempDir()
	p.SaveTo(dir)
	for kind, accept := range map[string]string{"CSV": "text/csv", "NDJSON": "application/x-ndjson"} {
		w.export(p, dir, kind, accept, filter)
	}

	p.open("/ui/audit?tab=verify")
	p.Click("button", "Verify now")
	p.Sees("The records are whole and in order")

	p.open("/ui/audit?tab=replay&namespace=teams&action=config.*&speed=max")
	p.Click("button", "Play")
	p.Sees("8 events played")
	p.View(1360, 2400) // all rows are in sight
	wanted := w.events("?namespace=teams&action=config.*")
	p.Await("they are those of the audit", fmt.Sprintf("%s.join() === %q", feedRows, join(wanted)))
}

// events are the indexes of what the API's audit selects, the newest first.
func (w *world) events(filter string) (all []uint64) {
	w.t.Helper()
	for _, e := range decode[[]wire.AuditEvent](w.t, w.do("admin", http.MethodGet, "/api/v1/audit"+filter, nil)) {
		all = append(all, e.Index)
	}
	return all
}

// join is numbers as JavaScript joins them.
func join(numbers []uint64) (text string) {
	for i, n := range numbers {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(n)
	}
	return text
}

func (p *person) showsEvents(wanted []uint64) {
	p.world.t.Helper()
	p.Await("shows the events "+join(wanted), fmt.Sprintf(`[...document.querySelectorAll('main ul.events .event-index')].map((i) => i.textContent.replace(/\D/g, '')).join() === %q`, join(wanted)))
}

func (w *world) export(p *person, dir, kind, accept, filter string) {
	w.t.Helper()
	p.Click("button", "Export")
	p.Click("menuitem", "As "+kind)
	p.Sees("everything that is selected")
	var saved string
	await(w.t, "the file is saved", func() error {
		files, err := filepath.Glob(filepath.Join(dir, "audit.*"))
		i := slices.IndexFunc(files, func(f string) bool {
			return filepath.Ext(f) == map[string]string{"CSV": ".csv", "NDJSON": ".ndjson"}[kind]
		})
		if i < 0 {
			return fmt.Errorf("there are %v: %w", files, err)
		}
		raw, err := os.ReadFile(files[i])
		saved = string(raw)
		return err
	})
	if said := w.accepting(accept, "/api/v1/audit"+filter); saved != said || saved == "" {
		w.t.Errorf("saved is\n%s\nthe API says\n%s", saved, said)
	}
	p.Click("button", "Close")
	p.Await("the dialog is gone", "document.querySelector('dialog[open]') === null")
}

// accepting is what the first node answers to the admin who wants a media type.
func (w *world) accepting(accept, path string) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.patient(), http.MethodGet, url(w.first(), path), nil)
	w.must(err)
	request.Header.Set("X-Api-Key", w.keys["admin"])
	request.Header.Set("Accept", accept)
	answer, err := w.lab.HTTP().Do(request)
	w.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	w.must(err)
	return string(text)
}
